"""A client for this server and for TensorFlow Serving, with the standard library's HTTP."""
