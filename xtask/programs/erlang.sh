# needs: erl
# notices: closes all descriptors

cat > job.erl <<'END'
-module(job).
-export([run/0]).
code(Command) ->
    Port = open_port({spawn, Command}, [exit_status]),
    receive {Port, {exit_status, Code}} -> io:format("~p~n", [Code]) end.
run() ->
    [code("sh -c 'exit " ++ integer_to_list(N) ++ "'") || N <- [0, 3, 7]],
    code("sh -c 'kill -9 $$'"),
    io:format("~s", [os:cmd("echo out | tr a-z A-Z")]),
    Self = self(),
    [spawn(fun() -> os:cmd("exit 0"), Self ! done end) || _ <- lists:seq(1, 8)],
    [receive done -> ok end || _ <- lists:seq(1, 8)],
    io:format("all~n"),
    halt(0).
END
erlc job.erl && erl -noshell -s job run
