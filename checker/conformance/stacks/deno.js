// An echo server of Deno (rustls), without client authentication: PORT VERSION AUTH CA CERT KEY.
const [port, , , , cert, key] = Deno.args;
const listener = Deno.listenTls({
  port: Number(port), hostname: "127.0.0.1",
  cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key),
});
while (true) {
  try {
    const connection = await listener.accept();
    connection.readable.pipeTo(connection.writable).catch(() => {});
  } catch { /* a handshake that failed */ }
}
