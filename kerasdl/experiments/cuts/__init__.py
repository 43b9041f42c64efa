"""Where to cut a pre-trained network: its features block by block, at several input sizes."""
