# needs: sed

echo 'echo hello' | sed e; echo x | sed 's/x/echo y/e'
