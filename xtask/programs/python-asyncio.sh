# needs: python3

cat > job.py <<'END'
import asyncio, sys
async def one(i):
    p = await asyncio.create_subprocess_exec('sh', '-c', f'exit {i}', stdout=asyncio.subprocess.PIPE)
    await p.communicate(); return p.returncode
async def main():
    print(await asyncio.gather(*(one(i) for i in range(20))))
    p = await asyncio.create_subprocess_shell('sleep 30'); p.kill(); print(await p.wait())
asyncio.run(main())
END
python3 job.py
