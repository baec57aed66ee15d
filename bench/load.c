/* The load tool of the peers, in C so that it is not the limit and takes little of the two cores.
 *
 * usage: load HOST PORT USER PASSWORD DEVICE POINTS PROBES, then one job a line:
 *   prime PREFIX                   every point once, QoS 1
 *   send PREFIX QOS N EVERY RATE   N messages: RATE a second, on a schedule that does not wait for
 *                                  answers, or, where it is 0, as fast as the broker takes them
 * One reading a message, JSON of 120 bytes. Every EVERY-th message moves one of the first PROBES
 * points across the limit, up and down by turns, and the last message of a job is a rise. Answers,
 * JSON: {"rises": [[ns, index], ...], "falls": [...], "n", "rate"}; ns are of
 * CLOCK_MONOTONIC, taken before the message was handed to the socket. A job has ended when the
 * broker has confirmed its last message (QoS 1: PUBACK; QoS 0: the answer to a ping after it).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 120, WINDOW = 1000, SOURCES_MAX = 16, BUFFER = 65536, WAIT_MS = 60000 };
static const double UP = 60, DOWN = 20;

typedef struct { int64_t at; int index; int up; } Move;
typedef struct { char prefix[128]; char *up; long moves, plain; } Source;

static int sock, points, probes, inflight, pongs;
static uint16_t packet_id;
static const char *device;
static Source sources[SOURCES_MAX];
static unsigned char out[BUFFER], in[BUFFER];
static size_t queued, held;

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t clock_ns(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void flush_out(void) {
    for (size_t done = 0; done < queued;) {
        ssize_t n = send(sock, out + done, queued - done, MSG_NOSIGNAL);
        if (n <= 0) die("send");
        done += (size_t)n;
    }
    queued = 0;
}

/* One packet whose length is below 16,384: two length bytes where needed. */
static void packet(int type, const void *head, size_t head_n, const void *rest, size_t rest_n) {
    size_t n = head_n + rest_n;
    if (queued + n + 3 > BUFFER) flush_out();
    out[queued++] = (unsigned char)type;
    if (n > 127) out[queued++] = (unsigned char)(n % 128 | 128);
    out[queued++] = (unsigned char)(n > 127 ? n / 128 : n);
    memcpy(out + queued, head, head_n);
    memcpy(out + queued + head_n, rest, rest_n);
    queued += n;
}

/* What the broker has answered: PUBACKs and PINGRESPs, all of them shorter than 128 bytes. */
static void hear(int wait_ms) {
    if (wait_ms) {
        struct pollfd p = {.fd = sock, .events = POLLIN};
        if (poll(&p, 1, wait_ms) <= 0) die("the broker does not answer");
    }
    ssize_t n = recv(sock, in + held, BUFFER - held, MSG_DONTWAIT);
    if (n == 0) errno = ECONNRESET;
    if (n <= 0) {
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        die("recv");
    }
    held += (size_t)n;
    size_t at = 0;
    while (held - at >= 2 && held - at >= 2u + in[at + 1]) {
        if (in[at] >> 4 == 4) inflight--;
        if (in[at] >> 4 == 13) pongs++;
        at += 2u + in[at + 1];
    }
    memmove(in, in + at, held - at);
    held -= at;
}

static size_t text(unsigned char *to, const char *s) {
    size_t n = strlen(s);
    to[0] = (unsigned char)(n >> 8);
    to[1] = (unsigned char)n;
    memcpy(to + 2, s, n);
    return n + 2;
}

static void connect_to(const char *host, int port, const char *user, const char *password) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    unsigned char head[] = {0, 4, 'M', 'Q', 'T', 'T', 4, 0xC2, 0, 0}, rest[600];
    int yes = 1;
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) die(host);
    sock = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(sock, (struct sockaddr *)&a, sizeof a)) die("connect");
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (strlen(user) + strlen(password) > 500) die("credentials");
    size_t n = text(rest, "bench-load-c");
    n += text(rest + n, user);
    n += text(rest + n, password);
    packet(0x10, head, sizeof head, rest, n);
    flush_out();
    if (recv(sock, in, 4, MSG_WAITALL) != 4 || in[0] != 0x20 || in[3] != 0) die("refused");
}

static Source *source(const char *prefix) {
    for (Source *s = sources; s < sources + SOURCES_MAX; s++) {
        if (!s->up) {
            snprintf(s->prefix, sizeof s->prefix, "%s", prefix);
            s->up = calloc((size_t)probes, 1);
            /* The second half begins above the limit: so every second move is a rise. */
            for (int i = probes / 2; i < probes; i++) s->up[i] = 1;
        }
        if (!strcmp(s->prefix, prefix)) return s;
    }
    errno = ENOSPC;
    die("too many prefixes");
    return NULL;
}

/* The next message of a point. Blanks fill it to 120 bytes: what parsers skip is the same for all. */
static void publish(Source *s, int index, double value, int qos) {
    unsigned char head[256];
    char name[200], payload[PAYLOAD + 1];
    snprintf(name, sizeof name, "%s/r/%s/p-%04d", s->prefix, device, index);
    int n = snprintf(payload, sizeof payload, "{\"val\": %.1f, \"t\": %lld, \"q\": 0",
                     value, (long long)(clock_ns(CLOCK_REALTIME) / 1000000));
    memset(payload + n, ' ', (size_t)(PAYLOAD - n));
    payload[PAYLOAD - 1] = '}';
    size_t h = text(head, name);
    if (qos) {
        while (inflight >= WINDOW) {
            flush_out();
            hear(WAIT_MS);
        }
        if (!++packet_id) packet_id = 1;
        head[h++] = (unsigned char)(packet_id >> 8);
        head[h++] = (unsigned char)packet_id;
        inflight++;
    }
    packet(qos ? 0x32 : 0x30, head, h, payload, PAYLOAD);
}

static void settle(int qos) {
    int had = pongs;
    if (!qos) packet(0xC0, "", 0, "", 0);
    flush_out();
    while (qos ? inflight > 0 : pongs == had) hear(WAIT_MS);
}

static void tell(const char *name, const Move *moves, long n, int up) {
    const char *comma = "";
    printf("\"%s\": [", name);
    for (long i = 0; i < n; i++)
        if (moves[i].up == up) {
            printf("%s[%lld, %d]", comma, (long long)moves[i].at, moves[i].index);
            comma = ", ";
        }
    printf("], ");
}

/* One job; rate 0 is a flood. */
static void run(Source *s, int qos, long n, long every, double rate) {
    Move *moves = calloc((size_t)(n / every + 2), sizeof *moves);
    long moved = 0, turns = (n + every - 1) / every;
    int one_more = (s->moves + turns) % 2 == 0;
    int64_t start = clock_ns(CLOCK_MONOTONIC);
    for (long i = 0; i < n; i++) {
        if (rate > 0) {
            int64_t due = start + (int64_t)((double)i * 1e9 / rate);
            struct timespec t = {due / 1000000000, due % 1000000000};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
            hear(0);
        }
        /* Counted from the end, so that the last one is a move; a rise, because of the one more. */
        if ((n - 1 - i) % every == 0 || (i == 0 && one_more)) {
            int k = (int)((s->moves / 2 + s->moves % 2 * (probes / 2)) % probes);
            s->moves++;
            s->up[k] = !s->up[k];
            moves[moved++] = (Move){clock_ns(CLOCK_MONOTONIC), k, s->up[k]};
            publish(s, k, s->up[k] ? UP : DOWN, qos);
        } else {
            int k = probes + (int)(s->plain++ % (points - probes));
            publish(s, k, 10.0 + (double)(s->plain % 300) / 10, qos);
        }
        if (rate > 0) flush_out();
    }
    double took = (double)(clock_ns(CLOCK_MONOTONIC) - start) / 1e9;
    settle(qos);
    printf("{");
    tell("rises", moves, moved, 1);
    tell("falls", moves, moved, 0);
    printf("\"n\": %ld, \"rate\": %.1f}\n", n, (double)n / (took > 0 ? took : 1e-9));
    fflush(stdout);
    free(moves);
}

int main(int argc, char **argv) {
    char line[512], kind[16], prefix[128];
    if (argc != 8) {
        fprintf(stderr, "usage: load HOST PORT USER PASSWORD DEVICE POINTS PROBES\n");
        return 2;
    }
    device = argv[5];
    points = atoi(argv[6]);
    probes = atoi(argv[7]);
    connect_to(argv[1], atoi(argv[2]), argv[3], argv[4]);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        int qos = 1;
        long n = 0, every = 1;
        double rate = 0;
        int got = sscanf(line, "%15s %127s %d %ld %ld %lf", kind, prefix, &qos, &n, &every, &rate);
        Source *s = source(prefix);
        if (got == 2 && !strcmp(kind, "prime")) {
            for (int k = 0; k < points; k++)
                publish(s, k, k < probes && s->up[k] ? UP : DOWN, 1);
            settle(1);
            printf("{\"n\": %d}\n", points);
            fflush(stdout);
        } else if (got == 6 && !strcmp(kind, "send") && n > 0 && every > 0) {
            run(s, qos, n, every, rate);
        } else {
            fprintf(stderr, "load: no job: %s", line);
            return 2;
        }
    }
    return 0;
}
