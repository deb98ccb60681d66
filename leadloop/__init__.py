"""What leadloop's words mean, without I/O; everything else may import it."""

__version__ = "0.1.0"
