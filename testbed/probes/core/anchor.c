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

enum { SESSIONS = 64, PACKET_MAX = 65536 };

struct session {
    int fd; /* 0: unused */
    struct sockaddr_in client;
    uint8_t token[TOKEN_SIZE];
    bool has_token;
    uint32_t newest;
    uint64_t heard; /* number of the last packet, for the choice of which session to give up */
    unsigned moves;
};

static struct session sessions[SESSIONS];
static struct sockaddr_in server;
static int public_fd, poll_fd, tos;
static uint64_t packets;

static void die(const char *what)
{
    fprintf(stderr, "anchor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in address(const char *text)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN] = "";
    const char *colon = strrchr(text, ':');
    if (colon && (size_t)(colon - text) < sizeof host)
        memcpy(host, text, (size_t)(colon - text));
    int port = colon ? atoi(colon + 1) : 0;
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1 || port < 1 || port > 65535) {
        fprintf(stderr, "anchor: '%s' is no address; write ADDRESS:PORT, such as 203.0.113.10:2112\n", text);
        exit(2);
    }
    a.sin_port = htons((uint16_t)port);
    return a;
}

static bool same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
    return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

static int udp_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos) < 0)
        die("socket");
    return fd;
}

static void watch(int fd, struct session *s)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll");
}

static void say(const struct session *s, const char *what, const struct sockaddr_in *from)
{
    struct timespec now;
    char to[INET_ADDRSTRLEN], old[INET_ADDRSTRLEN];
    clock_gettime(CLOCK_REALTIME, &now);
    inet_ntop(AF_INET, &s->client.sin_addr, to, sizeof to);
    inet_ntop(AF_INET, &from->sin_addr, old, sizeof old);
    fprintf(stderr, "%" PRIu64 " session=%td %s seq=%" PRIu32 " moves=%u from=%s:%d to=%s:%d\n",
            (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, s - sessions, what, s->newest, s->moves,
            old, ntohs(from->sin_port), to, ntohs(s->client.sin_port));
}

/* The session of a token or, where its token is not known yet, of an address. */
static struct session *find(const uint8_t *token, const struct sockaddr_in *from)
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
static struct session *open_session(const struct sockaddr_in *from)
{
    struct session *s = sessions;
    for (struct session *other = sessions; other < sessions + SESSIONS; other++)
        if (!other->fd || (s->fd && other->heard < s->heard))
            s = other;
    int fd = s->fd;
    *s = (struct session){.fd = fd ? fd : udp_socket(), .client = *from};
    if (!fd)
        watch(s->fd, s);
    say(s, "opened", from);
    return s;
}

static void follow(struct session *s, const uint8_t *packet, const struct sockaddr_in *from)
{
    uint32_t seq = (uint32_t)packet[SEQ] | (uint32_t)packet[SEQ + 1] << 8 | (uint32_t)packet[SEQ + 2] << 16 |
                   (uint32_t)packet[SEQ + 3] << 24;
    memcpy(s->token, packet + TOKEN, TOKEN_SIZE);
    s->has_token = true;
    if (seq < s->newest)
        return; /* a straggler of the old path must not take the replies with it */
    s->newest = seq;
    if (!same(&s->client, from)) {
        struct sockaddr_in old = s->client;
        s->client = *from;
        s->moves++;
        say(s, "moved", &old);
    }
}

static void from_client(void)
{
    static uint8_t packet[PACKET_MAX];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(public_fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &size);
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
    (void)!sendto(s->fd, packet, (size_t)n, 0, (struct sockaddr *)&server, sizeof server);
}

static void from_server(struct session *s)
{
    static uint8_t packet[PACKET_MAX];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(s->fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &size);
    if (n >= 0 && same(&from, &server))
        (void)!sendto(public_fd, packet, (size_t)n, 0, (struct sockaddr *)&s->client, sizeof s->client);
}

static void options(int argc, char **argv, struct sockaddr_in *listen_on)
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
    if (!listen_on->sin_port || !server.sin_port) {
        fprintf(stderr, "usage: anchor --listen ADDRESS:PORT --to ADDRESS:PORT [--dscp 0..63]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in listen_on = {0};
    options(argc, argv, &listen_on);
    setvbuf(stderr, NULL, _IOLBF, 0);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    public_fd = udp_socket();
    if (bind(public_fd, (struct sockaddr *)&listen_on, sizeof listen_on) < 0)
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
