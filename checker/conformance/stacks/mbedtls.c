/* An echo server of Mbed TLS 2.28, TLS 1.2 alone: PORT VERSION AUTH CA CERTIFICATE KEY. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <string.h>

int main(int argc, char **argv) {
    mbedtls_net_context listener, raw;
    mbedtls_ssl_config config;
    mbedtls_ssl_context connection;
    mbedtls_x509_crt ca, own;
    mbedtls_pk_context key;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    unsigned char buffer[4096];
    mbedtls_net_init(&listener);
    mbedtls_ssl_config_init(&config);
    mbedtls_x509_crt_init(&ca);
    mbedtls_x509_crt_init(&own);
    mbedtls_pk_init(&key);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    if (mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0) ||
        mbedtls_x509_crt_parse_file(&ca, argv[4]) || mbedtls_x509_crt_parse_file(&own, argv[5]) ||
        mbedtls_pk_parse_keyfile(&key, argv[6], NULL) ||
        mbedtls_net_bind(&listener, "127.0.0.1", argv[1], MBEDTLS_NET_PROTO_TCP) ||
        mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT))
        return 2;
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_ca_chain(&config, &ca, NULL);
    mbedtls_ssl_conf_own_cert(&config, &own, &key);
    mbedtls_ssl_conf_read_timeout(&config, 10000);
    int minor = argv[2][2] - '0' + 1;
    mbedtls_ssl_conf_min_version(&config, 3, minor);
    mbedtls_ssl_conf_max_version(&config, 3, minor);
    mbedtls_ssl_conf_authmode(&config, !strcmp(argv[3], "none")       ? MBEDTLS_SSL_VERIFY_NONE
                                       : !strcmp(argv[3], "optional") ? MBEDTLS_SSL_VERIFY_OPTIONAL
                                                                      : MBEDTLS_SSL_VERIFY_REQUIRED);
    for (;;) {
        int n;
        mbedtls_net_init(&raw);
        if (mbedtls_net_accept(&listener, &raw, NULL, 0, NULL)) continue;
        mbedtls_ssl_init(&connection);
        if (!mbedtls_ssl_setup(&connection, &config)) {
            mbedtls_ssl_set_bio(&connection, &raw, mbedtls_net_send, mbedtls_net_recv,
                                mbedtls_net_recv_timeout);
            if (!mbedtls_ssl_handshake(&connection))
                while ((n = mbedtls_ssl_read(&connection, buffer, sizeof buffer)) > 0)
                    mbedtls_ssl_write(&connection, buffer, n);
        }
        mbedtls_ssl_free(&connection);
        mbedtls_net_free(&raw);
    }
}
