// An echo server of crypto/tls: PORT VERSION AUTH CA CERTIFICATE KEY.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"os"
	"time"
)

func main() {
	versions := map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11,
		"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	auths := map[string]tls.ClientAuthType{"none": tls.NoClientCert,
		"optional": tls.VerifyClientCertIfGiven, "mandatory": tls.RequireAndVerifyClientCert}
	certificate, err := tls.LoadX509KeyPair(os.Args[5], os.Args[6])
	if err != nil {
		panic(err)
	}
	pem, err := os.ReadFile(os.Args[4])
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	version := versions[os.Args[2]]
	listener, err := tls.Listen("tcp", "127.0.0.1:"+os.Args[1], &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientCAs: pool,
		ClientAuth: auths[os.Args[3]], MinVersion: version, MaxVersion: version})
	if err != nil {
		panic(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		connection.SetDeadline(time.Now().Add(10 * time.Second))
		io.Copy(connection, connection)
		connection.Close()
	}
}
