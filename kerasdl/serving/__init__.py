"""A server for exported models that speaks TensorFlow Serving's REST and gRPC.

It stands alone: nothing here trains or evaluates, and of the rest of kerasdl it imports
only what writes files, starts TensorFlow quietly and makes a command line.
"""
