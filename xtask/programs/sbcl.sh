# needs: sbcl

sbcl --noinform --no-userinit --no-sysinit --non-interactive --eval '(progn (dotimes (i 5) (format t "~a~%" (sb-ext:process-exit-code (sb-ext:run-program "/bin/sh" (list "-c" (format nil "exit ~a" i))))))
 (let ((ps (loop for i below 6 collect (sb-ext:run-program "/bin/sh" (list "-c" (format nil "exit ~a" i)) :wait nil)))) (dolist (p ps) (sb-ext:process-wait p) (format t "~a~%" (sb-ext:process-exit-code p))))
 (format t "~a" (with-output-to-string (s) (sb-ext:run-program "/bin/echo" (list "hello") :output s)))
 (loop repeat 20 do (sb-ext:run-program "/bin/true" nil) (sb-ext:gc :full nil)) (format t "done~%"))' 2>&1
