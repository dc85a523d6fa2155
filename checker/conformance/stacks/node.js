// An echo server of Node's or Bun's tls: PORT VERSION AUTH CA CERTIFICATE KEY.
var tls = require('tls'), fs = require('fs'), args = process.argv.slice(2);
var version = 'TLSv' + (args[1] === '1.0' ? '1' : args[1]);
var options = {
  ca: [fs.readFileSync(args[3])], cert: fs.readFileSync(args[4]), key: fs.readFileSync(args[5]),
  requestCert: args[2] !== 'none', rejectUnauthorized: args[2] === 'mandatory'
};
options.minVersion = options.maxVersion = version;  // Node 0.10 has every version to 1.2
var server = tls.createServer(options, function (connection) {
  connection.on('error', function () {});
  connection.on('data', function (data) { connection.write(data); });
});
server.on('clientError', function () {});
server.on('tlsClientError', function () {});
process.on('uncaughtException', function () {});
server.listen(Number(args[0]), '127.0.0.1');
