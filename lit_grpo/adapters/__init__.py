"""The environment in the words of other trainers. Nothing else in the package imports this part."""
