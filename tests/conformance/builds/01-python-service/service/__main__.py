import importlib
import os
import sys

greetings = importlib.import_module("greetings")
print(greetings.hello("service"), sys.argv[1:], os.getuid(), os.getcwd())
