/* Frames on a byte stream; see frame.h. */
#include "transport/frame.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/wire.h"

#define READ_LEAST (16u << 10)
#define READ_MOST  (1u << 20)
#define KEEP_MOST  (1u << 20) /* a buffer larger than this is given back once it is empty */
#define PARTS_MAX  4

static size_t frame_size(const frame_reader *r)
{
    return FRAME_HEADER + (size_t)load_u32(r->bytes.data);
}

static bool header_bad(const frame_reader *r)
{
    const uint8_t *h = r->bytes.data;
    return load_u32(h) > FRAME_MAX || h[4] == 0 || h[6] || h[7];
}

static void drop_taken(frame_reader *r)
{
    if (!r->taken)
        return;
    size_t left = r->bytes.size - r->taken;
    if (left)
        memmove(r->bytes.data, r->bytes.data + r->taken, left);
    r->bytes.size = left;
    r->taken = 0;
    if (!left && r->bytes.capacity > KEEP_MOST)
        buf_free(&r->bytes);
}

/* How much to ask for: the rest of a frame whose length is known, doubling what is there already at most. */
static size_t want(const frame_reader *r)
{
    size_t n = READ_LEAST;
    if (r->bytes.size >= FRAME_HEADER && frame_size(r) > r->bytes.size + n)
        n = frame_size(r) - r->bytes.size;
    size_t most = r->bytes.size > READ_MOST ? r->bytes.size : READ_MOST;
    return n < most ? n : most;
}

frame_state frame_read(frame_reader *r, int fd, frame *f)
{
    drop_taken(r);
    for (;;) {
        if (r->bytes.size >= FRAME_HEADER) {
            if (header_bad(r))
                return FRAME_BAD;
            size_t size = frame_size(r);
            if (r->bytes.size >= size) {
                *f = (frame){r->bytes.data[4], r->bytes.data[5], {r->bytes.data + FRAME_HEADER, size - FRAME_HEADER}};
                r->taken = size;
                return FRAME_READY;
            }
        }
        size_t n = want(r);
        if (buf_reserve(&r->bytes, n))
            return FRAME_BAD;
        ssize_t got = recv(fd, r->bytes.data + r->bytes.size, n, 0);
        if (got > 0)
            r->bytes.size += (size_t)got;
        else if (got < 0 && errno == EINTR)
            continue;
        else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return FRAME_AGAIN;
        else
            return FRAME_CLOSED;
    }
}

void frame_reset(frame_reader *r)
{
    r->taken = r->bytes.size;
}

void frame_free(frame_reader *r)
{
    buf_free(&r->bytes);
    r->taken = 0;
}

void frame_header(uint8_t header[FRAME_HEADER], uint8_t type, uint8_t flags, size_t size)
{
    store_u32(header, (uint32_t)size);
    header[4] = type;
    header[5] = flags;
    header[6] = header[7] = 0;
}

int frame_begin(buf *out, uint8_t type)
{
    uint8_t header[FRAME_HEADER];
    frame_header(header, type, 0, 0);
    return buf_append(out, header, sizeof(header));
}

void frame_end(buf *out, size_t start)
{
    store_u32(out->data + start, (uint32_t)(out->size - start - FRAME_HEADER));
}

int frame_send(int fd, uint8_t type, uint8_t flags, const sdf_slice *parts, size_t count)
{
    uint8_t header[FRAME_HEADER];
    struct iovec v[PARTS_MAX + 1] = {{header, sizeof(header)}};
    size_t size = 0;
    if (count > PARTS_MAX)
        return EINVAL;
    for (size_t i = 0; i < count; i++) {
        v[i + 1] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].size};
        size += parts[i].size;
    }
    if (size > FRAME_MAX)
        return EMSGSIZE;
    frame_header(header, type, flags, size);
    struct msghdr m = {.msg_iov = v, .msg_iovlen = count + 1};
    size_t left = size + sizeof(header);
    while (left > 0) {
        ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        left -= (size_t)n;
        while (n > 0 && (size_t)n >= m.msg_iov->iov_len) {
            n -= (ssize_t)m.msg_iov->iov_len;
            m.msg_iov++;
            m.msg_iovlen--;
        }
        if (n > 0) {
            m.msg_iov->iov_base = (char *)m.msg_iov->iov_base + n;
            m.msg_iov->iov_len -= (size_t)n;
        }
    }
    return 0;
}
