# needs: python3

cat > job.py <<'END'
import multiprocessing as m, concurrent.futures as c, os, signal
def square(x): return x * x
def die(): os._exit(7)
def run():
    for method in ('fork', 'spawn', 'forkserver'):
        k = m.get_context(method)
        with k.Pool(3) as p: print(method, p.map(square, range(8)))
        p = k.Process(target=die); p.start(); p.join(); print(p.exitcode)
    with c.ProcessPoolExecutor(2) as e: print(list(e.map(square, range(5))))
if __name__ == '__main__': run()
END
python3 job.py
