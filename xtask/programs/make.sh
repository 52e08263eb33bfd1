# needs: make

printf 'all: a b c d e f\n%%:\n\t@sh -c "exit 0"\n\t@echo $@ > $@\nbad:\n\t@exit 3\nrecursive:\n\t@$(MAKE) --no-print-directory -j3 all\nX := $(shell exit 4)\nstatus:\n\t@echo $(.SHELLSTATUS)\n' > Makefile
make -s -j4; cat a b c d e f; make -s bad 2>/dev/null; echo $?; rm -f a b c; make -s -j2 recursive; ls; make -s status
