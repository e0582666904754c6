"""Strict readers of LP and MPS files: a file is read as what it says, or refused with the line and what to change."""
