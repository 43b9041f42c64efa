"""Data sets: catalog, readers, the store, TensorFlow Datasets and the synthetic set."""
