# needs: ocaml

cat > j.ml <<'END'
#load "unix.cma";;
let show = function Unix.WEXITED n -> Printf.printf "exited %d\n" n | Unix.WSIGNALED n -> Printf.printf "killed %d\n" n | Unix.WSTOPPED _ -> print_endline "stopped";;
let () = Sys.set_signal Sys.sigchld (Sys.Signal_handle (fun _ -> ()));;
let () = for i = 0 to 4 do Printf.printf "%d\n" (Sys.command (Printf.sprintf "exit %d" i)) done;;
let () = for i = 0 to 4 do match Unix.fork () with 0 -> Unix._exit i | p -> let rec w () = try Unix.waitpid [] p with Unix.Unix_error (Unix.EINTR, _, _) -> w () in show (snd (w ())) done;;
let () = let c = Unix.open_process_in "echo hello; exit 3" in print_endline (input_line c); show (Unix.close_process_in c);;
END
ocaml -I +unix j.ml 2>/dev/null
