"""How each kind of fault is found and certified, one claim a file; chosen by letter in injection.py."""
