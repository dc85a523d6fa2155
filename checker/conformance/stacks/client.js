// A client of Node's or Bun's tls that connects again and again, and echoes:
// PORT VERSION CA [CERTIFICATE KEY].
var tls = require('tls'), fs = require('fs'), args = process.argv.slice(2);
var options = {
  host: '127.0.0.1', port: Number(args[0]), servername: 'localhost', ca: [fs.readFileSync(args[2])],
  minVersion: 'TLSv' + args[1], maxVersion: 'TLSv' + args[1]
};
if (args.length > 4) {
  options.cert = fs.readFileSync(args[3]);
  options.key = fs.readFileSync(args[4]);
}
function again() {
  var connection = tls.connect(options);
  connection.on('error', function () {});
  connection.on('data', function (data) { connection.write(data); });
  connection.on('close', function () { setTimeout(again, 1); });
}
process.on('uncaughtException', function () {});
again();
