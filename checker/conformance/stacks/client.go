// A client of crypto/tls that connects again and again, and echoes: PORT VERSION CA [CERT KEY].
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
	pem, err := os.ReadFile(os.Args[3])
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	version := versions[os.Args[2]]
	config := &tls.Config{RootCAs: pool, ServerName: "localhost",
		MinVersion: version, MaxVersion: version}
	if len(os.Args) > 5 {
		certificate, err := tls.LoadX509KeyPair(os.Args[4], os.Args[5])
		if err != nil {
			panic(err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	for {
		connection, err := tls.Dial("tcp", "127.0.0.1:"+os.Args[1], config)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		connection.SetDeadline(time.Now().Add(20 * time.Second))
		io.Copy(connection, connection)
		connection.Close()
	}
}
