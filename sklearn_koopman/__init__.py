"""Distil a trained network into one fixed nonlinear lifting and one Koopman matrix."""

__version__ = "0.1.0"
