"""Searches of hyper-parameters on KerasTuner's objects, many trials trained at a time."""
