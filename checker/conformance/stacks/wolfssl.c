/* An echo server of wolfSSL: PORT VERSION AUTH CA CERTIFICATE KEY. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    wolfSSL_Init();
    int modern = !strcmp(argv[2], "1.3");
    WOLFSSL_CTX *context = wolfSSL_CTX_new(
        modern ? wolfTLSv1_3_server_method() : wolfTLSv1_2_server_method());
    int verify = !strcmp(argv[3], "none") ? WOLFSSL_VERIFY_NONE : WOLFSSL_VERIFY_PEER;
    if (!strcmp(argv[3], "mandatory")) verify |= WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    wolfSSL_CTX_set_verify(context, verify, NULL);
    if (wolfSSL_CTX_load_verify_locations(context, argv[4], NULL) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_use_certificate_file(context, argv[5], WOLFSSL_FILETYPE_PEM) != 1 ||
        wolfSSL_CTX_use_PrivateKey_file(context, argv[6], WOLFSSL_FILETYPE_PEM) != 1)
        return 2;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 50)) return 3;
    for (;;) {
        int raw = accept(listener, NULL, NULL);
        struct timeval ten = {10, 0};
        setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof ten);
        WOLFSSL *connection = wolfSSL_new(context);
        wolfSSL_set_fd(connection, raw);
        char buffer[4096];
        int n;
        if (wolfSSL_accept(connection) == WOLFSSL_SUCCESS)
            while ((n = wolfSSL_read(connection, buffer, sizeof buffer)) > 0)
                wolfSSL_write(connection, buffer, n);
        wolfSSL_free(connection);
        close(raw);
    }
}
