%% An echo server of Erlang's ssl: PORT VERSION AUTH CA CERTIFICATE KEY.
-module(server).
-export([main/1]).

main([Port, Version, Auth, Ca, Certificate, Key]) ->
    {ok, _} = application:ensure_all_started(ssl),
    logger:set_primary_config(level, none),
    Versions = #{"1.0" => tlsv1, "1.1" => 'tlsv1.1', "1.2" => 'tlsv1.2', "1.3" => 'tlsv1.3'},
    Verify = case Auth of "none" -> verify_none; _ -> verify_peer end,
    {ok, Listener} = ssl:listen(list_to_integer(Port), [
        binary, {active, false}, {reuseaddr, true}, {ip, {127, 0, 0, 1}}, {nodelay, true},
        {versions, [maps:get(Version, Versions)]}, {cacertfile, Ca}, {certfile, Certificate},
        {keyfile, Key}, {verify, Verify}, {fail_if_no_peer_cert, Auth == "mandatory"}]),
    accept(Listener).

accept(Listener) ->
    case ssl:transport_accept(Listener) of
        {ok, Raw} ->
            case catch ssl:handshake(Raw, 10000) of
                {ok, Connection} -> catch echo(Connection);
                _ -> ok
            end;
        _ -> ok
    end,
    accept(Listener).

echo(Connection) ->
    case ssl:recv(Connection, 0, 10000) of
        {ok, Data} -> ssl:send(Connection, Data), echo(Connection);
        _ -> ssl:close(Connection)
    end.
