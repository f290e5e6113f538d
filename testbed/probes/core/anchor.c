/* anchor: a UDP relay in front of an irtt endpoint that lets a session outlive its address.
 *
 * An irtt server drops the packets of a session whose source address changed, which is what the NAT
 * of another uplink does at a failover; an irtt client ends at the first ICMP "port unreachable" or
 * "prohibited". The anchor hides both. It talks to `--to` from one socket per session and sends the
 * replies to the address that the newest packet (highest sequence number) came from, as connection
 * migration in QUIC (RFC 9000, section 9) does; its sockets are unconnected, so ICMP errors end nothing.
 *
 * Every change of address is a line on standard error: when the far end saw the client move.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

/* irtt 0.9 packets: magic[3] flags[1]; then, but for requests to open: token[8] sequence number[4, LE]. */
enum { FLAG_OPEN = 1, FLAGS = 3, TOKEN = 4, TOKEN_SIZE = 8, SEQ = 12, ECHO_MIN = 16 };
static const uint8_t MAGIC[3] = {0x14, 0xa7, 0x5b};

enum { SESSIONS = 64, PACKET_MAX = 65536, WRITTEN = INET6_ADDRSTRLEN + 8 };

struct end {
    struct sockaddr_storage address;
    socklen_t size;
};

struct session {
    int fd; /* 0: unused */
    struct end client;
    uint8_t token[TOKEN_SIZE];
    bool has_token;
    uint32_t newest;
    uint64_t heard; /* number of the last packet, for the choice of which session to give up */
    unsigned moves;
};

static struct session sessions[SESSIONS];
static struct end server;
static int public_fd, poll_fd, tos;
static uint64_t packets;

static void die(const char *what)
{
    fprintf(stderr, "anchor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct end address(const char *text)
{
    struct end e = {.size = 0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&e.address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&e.address;
    char host[INET6_ADDRSTRLEN] = "";
    const char *colon = strrchr(text, ':');
    bool six = *text == '[' && colon && colon > text + 1 && colon[-1] == ']';
    size_t length = colon ? (size_t)(colon - text) - (six ? 2 : 0) : 0;
    if (length < sizeof host)
        memcpy(host, text + six, length);
    int port = colon ? atoi(colon + 1) : 0;
    if (port > 0 && port < 65536 && six && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        e.size = sizeof *v6;
    } else if (port > 0 && port < 65536 && !six && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        e.size = sizeof *v4;
    } else {
        fprintf(stderr, "anchor: '%s' is no address; write ADDRESS:PORT, such as 203.0.113.10:2112 or "
                        "[2001:db8:1::10]:2112\n", text);
        exit(2);
    }
    return e;
}

static bool same(const struct end *a, const struct end *b)
{
    const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->address, *b4 = (const struct sockaddr_in *)&b->address;
    const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&a->address, *b6 = (const struct sockaddr_in6 *)&b->address;
    if (a->address.ss_family != b->address.ss_family)
        return false;
    if (a->address.ss_family == AF_INET)
        return a4->sin_addr.s_addr == b4->sin_addr.s_addr && a4->sin_port == b4->sin_port;
    return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0 && a6->sin6_port == b6->sin6_port;
}

static int udp_socket(int family)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof tos)
                                      : setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos)) < 0)
        die("socket");
    return fd;
}

static void watch(int fd, struct session *s)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll");
}

static const char *written(const struct end *e, char *text)
{
    char host[INET6_ADDRSTRLEN];
    bool six = e->address.ss_family == AF_INET6;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&e->address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&e->address;
    inet_ntop(e->address.ss_family, six ? (const void *)&v6->sin6_addr : &v4->sin_addr, host, sizeof host);
    snprintf(text, WRITTEN, six ? "[%s]:%d" : "%s:%d", host, ntohs(six ? v6->sin6_port : v4->sin_port));
    return text;
}

static void say(const struct session *s, const char *what, const struct end *from)
{
    struct timespec now;
    char to[WRITTEN], old[WRITTEN];
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(stderr, "%" PRIu64 " session=%td %s seq=%" PRIu32 " moves=%u from=%s to=%s\n",
            (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, s - sessions, what, s->newest, s->moves,
            written(from, old), written(&s->client, to));
}

/* The session of a token or, where its token is not known yet, of an address. */
static struct session *find(const uint8_t *token, const struct end *from)
{
    for (struct session *s = sessions; s < sessions + SESSIONS; s++)
        if (token && s->fd && s->has_token && memcmp(s->token, token, TOKEN_SIZE) == 0)
            return s;
    for (struct session *s = sessions; s < sessions + SESSIONS; s++)
        if (s->fd && !s->has_token && same(&s->client, from))
            return s;
    return NULL;
}

/* A free place, or that of the session that has been silent for the longest time. */
static struct session *open_session(const struct end *from)
{
    struct session *s = sessions;
    for (struct session *other = sessions; other < sessions + SESSIONS; other++)
        if (!other->fd || (s->fd && other->heard < s->heard))
            s = other;
    int fd = s->fd;
    *s = (struct session){.fd = fd ? fd : udp_socket(server.address.ss_family), .client = *from};
    if (!fd)
        watch(s->fd, s);
    say(s, "opened", from);
    return s;
}

static void follow(struct session *s, const uint8_t *packet, const struct end *from)
{
    uint32_t seq = (uint32_t)packet[SEQ] | (uint32_t)packet[SEQ + 1] << 8 | (uint32_t)packet[SEQ + 2] << 16 |
                   (uint32_t)packet[SEQ + 3] << 24;
    memcpy(s->token, packet + TOKEN, TOKEN_SIZE);
    s->has_token = true;
    if (seq < s->newest)
        return; /* a straggler of the old path must not take the replies with it */
    s->newest = seq;
    if (!same(&s->client, from)) {
        struct end old = s->client;
        s->client = *from;
        s->moves++;
        say(s, "moved", &old);
    }
}

static void from_client(void)
{
    static uint8_t packet[PACKET_MAX];
    struct end from = {.size = sizeof from.address};
    ssize_t n = recvfrom(public_fd, packet, sizeof packet, 0, (struct sockaddr *)&from.address, &from.size);
    if (n < TOKEN || memcmp(packet, MAGIC, sizeof MAGIC) != 0)
        return;
    bool opens = packet[FLAGS] & FLAG_OPEN;
    if (!opens && n < TOKEN + TOKEN_SIZE)
        return;
    struct session *s = find(opens ? NULL : packet + TOKEN, &from);
    if (!s && opens)
        s = open_session(&from);
    if (!s)
        return;
    s->heard = ++packets;
    if (!opens && n >= ECHO_MIN)
        follow(s, packet, &from);
    /* What the network refuses to send is lost, as anywhere else on the path. */
    (void)!sendto(s->fd, packet, (size_t)n, 0, (struct sockaddr *)&server.address, server.size);
}

static void from_server(struct session *s)
{
    static uint8_t packet[PACKET_MAX];
    struct end from = {.size = sizeof from.address};
    ssize_t n = recvfrom(s->fd, packet, sizeof packet, 0, (struct sockaddr *)&from.address, &from.size);
    if (n >= 0 && same(&from, &server))
        (void)!sendto(public_fd, packet, (size_t)n, 0, (struct sockaddr *)&s->client.address, s->client.size);
}

static void options(int argc, char **argv, struct end *listen_on)
{
    static const struct option known[] = {
        {"listen", required_argument, 0, 'l'}, {"to", required_argument, 0, 't'}, {"dscp", required_argument, 0, 'd'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'l')
            *listen_on = address(optarg);
        else if (c == 't')
            server = address(optarg);
        else if (c == 'd')
            tos = (atoi(optarg) & 63) << 2; /* RFC 2474: the upper six bits of the octet */
        else
            exit(2);
    }
    if (!listen_on->size || !server.size) {
        fprintf(stderr, "usage: anchor --listen ADDRESS:PORT --to ADDRESS:PORT [--dscp 0..63]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct end listen_on = {.size = 0};
    options(argc, argv, &listen_on);
    setvbuf(stderr, NULL, _IOLBF, 0);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    public_fd = udp_socket(listen_on.address.ss_family);
    if (bind(public_fd, (struct sockaddr *)&listen_on.address, listen_on.size) < 0)
        die("bind");
    watch(public_fd, NULL);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[SESSIONS];
        int n = epoll_wait(poll_fd, events, SESSIONS, -1);
        for (int i = 0; i < n; i++)
            events[i].data.ptr ? from_server(events[i].data.ptr) : from_client();
    }
}
