"""What `python -m tfcyclegan.evaluate` and `compare` are made of, one question a module."""
