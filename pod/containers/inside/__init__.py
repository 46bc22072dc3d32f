"""What a program finds in its container beside the image: variables, users, files of /etc."""
