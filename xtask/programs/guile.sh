# needs: guile

guile --no-auto-compile -c '(use-modules (ice-9 popen) (ice-9 rdelim)) (for-each (lambda (i) (format #t "~a~%" (status:exit-val (system* "sh" "-c" (format #f "exit ~a" i))))) (iota 5)) (let* ((p (open-input-pipe "echo hello; exit 3")) (l (read-line p))) (format #t "~a ~a~%" l (status:exit-val (close-pipe p)))) (let ((p (primitive-fork))) (if (= p 0) (primitive-_exit 6) (format #t "~a~%" (status:exit-val (cdr (waitpid p))))))' 2>/dev/null
