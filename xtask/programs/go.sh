# needs: go

mkdir m; cd m; printf 'module m\ngo 1.19\n' > go.mod
cat > m.go <<'END'
package main

/*
#include <spawn.h>
#include <sys/wait.h>
extern char **environ;
static int start(char *s) { char *v[] = {"sh", "-c", s, 0}; pid_t p; return posix_spawnp(&p, "sh", 0, 0, v, environ) ? -1 : p; }
static int reap(int p) { int s; return waitpid(p, &s, 0) < 0 ? -1 : WEXITSTATUS(s); }
*/
import "C"
import ("fmt"; "os"; "os/exec"; "os/signal"; "syscall"; "sync")
func main() {
	for i := 0; i < 5; i++ { p := C.start(C.CString(fmt.Sprintf("exit %d", i))); fmt.Println(C.reap(p)) }
	c := make(chan os.Signal, 100); signal.Notify(c, syscall.SIGCHLD)
	codes := make([]int, 8); var g sync.WaitGroup
	for i := range codes { g.Add(1); go func(i int) { defer g.Done(); x := exec.Command("sh", "-c", fmt.Sprintf("exit %d", i)); x.Run(); codes[i] = x.ProcessState.ExitCode() }(i) }
	for i := 0; i < 8; i++ { g.Add(1); go func(i int) { defer g.Done(); p := C.start(C.CString(fmt.Sprintf("exit %d", i))); if int(C.reap(p)) != i { fmt.Println("wrong") } }(i) }
	g.Wait(); fmt.Println(codes); <-c; fmt.Println("signal")
}
END
GOCACHE=/tmp/childwatch-go-cache GOFLAGS=-mod=mod go build -o m 2>&1; ./m 2>&1
