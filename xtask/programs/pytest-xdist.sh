# needs: pytest-3

cat > test_a.py <<'END'
import os, subprocess, pytest
@pytest.mark.parametrize("n", range(8))
def test_code(n):
    assert subprocess.run(["sh", "-c", f"exit {n}"]).returncode == n
def test_bad():
    assert os.system("exit 3") == 0
def test_dies():
    os._exit(7)
END
pytest-3 -p no:cacheprovider -n 2 --max-worker-restart 3 -q test_a.py 2>&1 | grep -oE '[0-9]+ (passed|failed)'; echo
