"""What a build is asked for, by its flags: options.py is the whole, the others are its parts."""
