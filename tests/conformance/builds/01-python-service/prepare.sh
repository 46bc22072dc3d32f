# Wheels: pip itself, as Python brings it along, and a package of our own.
mkdir wheels
cp "$(python3 -c 'import ensurepip, glob, os; print(*glob.glob(os.path.dirname(ensurepip.__file__) + "/_bundled/pip-*") or glob.glob("/usr/share/python-wheels/pip-*"))')" wheels
python3 - <<'python'
import zipfile

with zipfile.ZipFile("wheels/greetings-1.2-py3-none-any.whl", "w") as wheel:
    wheel.writestr("greetings.py", "def hello(name):\n    return f'hello {name}'\n")
    wheel.writestr("greetings-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: greetings\nVersion: 1.2\n")
    wheel.writestr("greetings-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("greetings-1.2.dist-info/RECORD", "greetings.py,,\ngreetings-1.2.dist-info/METADATA,,\ngreetings-1.2.dist-info/WHEEL,,\ngreetings-1.2.dist-info/RECORD,,\n")
python
