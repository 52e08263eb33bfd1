# needs: emacs

cat > j.el <<'END'
(dotimes (i 5) (princ (format "%s\n" (call-process "sh" nil nil nil "-c" (format "exit %d" i)))))
(princ (shell-command-to-string "echo hello"))
(let (out left)
  (dotimes (i 6)
    (setq left (cons (make-process :name "p" :command (list "sh" "-c" (format "exit %d" i)) :connection-type (if (= 0 (% i 2)) 'pipe 'pty)
      :sentinel (lambda (p e) (push (process-exit-status p) out))) left)))
  (let ((n 0)) (while (and (< (length out) 6) (< n 400)) (accept-process-output nil 0.02) (setq n (1+ n))))
  (princ (format "%S\n" (sort out '<))))
(let ((p (start-process "c" nil "cat")) o)
  (set-process-filter p (lambda (p s) (setq o (concat o s)))) (process-send-string p "hi\n") (process-send-eof p)
  (while (process-live-p p) (accept-process-output p 0.02)) (while (accept-process-output p 0.1)) (princ (format "%S %S\n" (process-exit-status p) (string-match "hi" o))))
(let ((p (start-process "s" nil "sleep" "60"))) (kill-process p) (while (process-live-p p) (accept-process-output p 0.02)) (princ (format "%S %S\n" (process-status p) (process-exit-status p))))
END
emacs -Q --batch -l j.el 2>&1
