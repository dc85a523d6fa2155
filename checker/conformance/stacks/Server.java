// An echo server of JSSE: PORT VERSION AUTH CA PKCS12.
import java.io.FileInputStream;
import java.net.InetAddress;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

public class Server {
    public static void main(String[] args) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        char[] password = "password".toCharArray();
        keys.load(new FileInputStream(args[4]), password);
        KeyManagerFactory own = KeyManagerFactory.getInstance("SunX509");
        own.init(keys, password);
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509")
            .generateCertificate(new FileInputStream(args[3])));
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own.getKeyManagers(), trust.getTrustManagers(), null);
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory()
            .createServerSocket(Integer.parseInt(args[0]), 50, InetAddress.getByName("127.0.0.1"));
        listener.setEnabledProtocols(new String[] {"TLSv" + args[1].replace("1.0", "1")});
        listener.setNeedClientAuth(args[2].equals("mandatory"));
        if (args[2].equals("optional")) listener.setWantClientAuth(true);
        byte[] buffer = new byte[4096];
        while (true) {
            try (SSLSocket connection = (SSLSocket) listener.accept()) {
                connection.setSoTimeout(10000);
                for (int n; (n = connection.getInputStream().read(buffer)) > 0; )
                    connection.getOutputStream().write(buffer, 0, n);
            } catch (Exception e) {
                continue;
            }
        }
    }
}
