/* irttscan: the numbers of irtt's round trips, out of a block of its JSON.
 *
 * A day at 20 ms is 5 GB of text. The block is read once, from left to right, as the JSON grammar says; nothing is
 * allocated, and nothing outside the block is looked at. Round trips that end inside the block become rows; the caller
 * brings the rest of the block again, in front of the next one.
 *
 * One round trip's text is the next one's but for the numbers. So each is first compared with the last one that was
 * read by the grammar: equal text between whole numbers is as good JSON, and means the same.
 *
 * Stricter than JSON where a number could be mistaken: a wanted key may stand only once, and no key of a round trip
 * has an escape in it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What is wanted: the numbers first, in the order of the rows' columns. */
enum want { SEQNO, SENT, RTT, UP, DOWN, NUMBERS, LOST = NUMBERS, TIMESTAMPS, CLIENT, SEND, DELAY, TRIP, OTHER };

static const struct {
	const char *key;
	size_t length;
	enum want of;
} WANTED[TRIP] = {
	[SEQNO] = { "seqno", 5, TRIP },
	[SENT] = { "wall", 4, SEND },
	[RTT] = { "rtt", 3, DELAY },
	[UP] = { "send", 4, DELAY },
	[DOWN] = { "receive", 7, DELAY },
	[LOST] = { "lost", 4, TRIP },
	[TIMESTAMPS] = { "timestamps", 10, TRIP },
	[CLIENT] = { "client", 6, TIMESTAMPS },
	[SEND] = { "send", 4, CLIENT },
	[DELAY] = { "delay", 5, TRIP },
};

/* The order is that of the caller's texts. */
enum fault { NONE, MORE, SYNTAX, NOT_WHOLE, TOO_LARGE, NOT_OBJECT, NOT_LOSS, TWICE, MISSING, TOO_DEEP };

/* The order is that of the model's kinds of loss: not lost, way up, way down, direction unknown. */
static const char *const LOSSES[] = { "false", "true_up", "true_down", "true" };
enum { DEEPEST = 64, SLOTS = 64 };

struct scan {
	/* given */
	const uint8_t *block;
	uint64_t size;
	uint64_t capacity;		/* rows that fit */
	int64_t *numbers;		/* column by column, `capacity` each */
	uint8_t *loss;
	uint64_t started;		/* a round trip came before this block */
	/* found */
	uint64_t rows;
	uint64_t used;			/* bytes of the block that need not come again */
	uint64_t ended;			/* the list's end was among them */
	uint64_t fault;
	uint64_t at;			/* where in the block the fault is */
	const char *key;		/* which key it is about, or NULL */
};

/* Where a whole number stood. */
struct slot {
	const uint8_t *begin, *end;
	enum want want;
};

struct reader {
	const uint8_t *p, *end;
	enum fault fault;
	enum want about;
	const uint8_t *at;
	uint32_t seen;			/* a bit for each of enum want */
	int64_t numbers[NUMBERS];
	uint8_t loss;
	/* the last round trip that was read by the grammar; `slots` beyond SLOTS: too many to be an example */
	const uint8_t *example, *example_end;
	struct slot slot[SLOTS];
	size_t slots;
};

static bool fail(struct reader *r, enum fault fault, enum want about, const uint8_t *at)
{
	r->fault = fault;
	r->about = about;
	r->at = at;
	return false;
}

/* The byte ahead is none that may stand here; or there is none yet. */
static bool unexpected(struct reader *r)
{
	return fail(r, r->p < r->end ? SYNTAX : MORE, OTHER, r->p);
}

static void skip_space(struct reader *r)
{
	static const uint8_t EIGHT[8] = "        ";

	while (r->p < r->end) {
		if (*r->p == ' ' && r->end - r->p >= 8 && !memcmp(r->p, EIGHT, 8))
			r->p += 8;
		else if (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t')
			r->p++;
		else
			return;
	}
}

static bool is(const struct reader *r, uint8_t c)
{
	return r->p < r->end && *r->p == c;
}

static bool take(struct reader *r, uint8_t c)
{
	if (!is(r, c))
		return unexpected(r);
	r->p++;
	return true;
}

static bool digit(const struct reader *r)
{
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static bool escape(struct reader *r)
{
	r->p++;
	if (r->p == r->end || !*r->p || !strchr("\"\\/bfnrtu", *r->p))
		return unexpected(r);
	if (*r->p++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, r->p++)
		if (r->p == r->end || !*r->p || !strchr("0123456789abcdefABCDEF", *r->p))
			return unexpected(r);
	return true;
}

/* A string; its bytes between the quotes are left in `text` and `length`. */
static bool string(struct reader *r, const uint8_t **text, size_t *length)
{
	if (!take(r, '"'))
		return false;
	*text = r->p;
	while (r->p < r->end && *r->p != '"') {
		if (*r->p == '\\') {
			if (!escape(r))
				return false;
		} else if (*r->p < ' ') {
			return unexpected(r);
		} else {
			r->p++;
		}
	}
	*length = r->p - *text;
	return take(r, '"');
}

static bool digits(struct reader *r)
{
	if (!digit(r))
		return unexpected(r);
	while (digit(r))
		r->p++;
	return true;
}

/* Any number; `whole` says whether it has neither fraction nor exponent. */
static bool number(struct reader *r, bool *whole)
{
	*whole = true;
	if (is(r, '-'))
		r->p++;
	if (is(r, '0'))
		r->p++;
	else if (!digits(r))
		return false;
	if (is(r, '.')) {
		*whole = false;
		r->p++;
		if (!digits(r))
			return false;
	}
	if (is(r, 'e') || is(r, 'E')) {
		*whole = false;
		r->p++;
		if (is(r, '+') || is(r, '-'))
			r->p++;
		if (!digits(r))
			return false;
	}
	return r->p < r->end ? true : unexpected(r);	/* more of it may follow */
}

/* The value of a whole number's text; false where it is beyond 64 bits. */
static bool convert(const uint8_t *p, const uint8_t *end, int64_t *value)
{
	bool negative = *p == '-';

	*value = 0;
	for (p += negative; p < end; p++)		/* downwards: the range reaches one further there */
		if (__builtin_mul_overflow(*value, 10, value) || __builtin_sub_overflow(*value, *p - '0', value))
			return false;
	return negative || !__builtin_sub_overflow(0, *value, value);
}

static bool any_number(struct reader *r, enum want want)
{
	const uint8_t *begin = r->p;
	bool whole;

	if (want != OTHER && r->p < r->end && *r->p != '-' && !digit(r))
		return fail(r, NOT_WHOLE, want, begin);
	if (!number(r, &whole))
		return false;
	if (want != OTHER && !whole)
		return fail(r, NOT_WHOLE, want, begin);
	if (want != OTHER && !convert(begin, r->p, &r->numbers[want]))
		return fail(r, TOO_LARGE, want, begin);
	if (whole && r->slots++ < SLOTS)
		r->slot[r->slots - 1] = (struct slot){ begin, r->p, want };
	return true;
}

static bool word(struct reader *r, const char *text)
{
	for (; *text; text++)
		if (!take(r, *text))
			return false;
	return true;
}

/* "false", "true_up" ...; also the words false and true. */
static bool loss(struct reader *r)
{
	const uint8_t *begin = r->p, *text = begin;
	size_t length;

	if (is(r, '"')) {
		if (!string(r, &text, &length))
			return false;
	} else if (is(r, 't') || is(r, 'f')) {
		if (!word(r, *begin == 't' ? "true" : "false"))
			return false;
		length = r->p - begin;
	} else {
		return r->p < r->end ? fail(r, NOT_LOSS, LOST, begin) : unexpected(r);
	}
	for (r->loss = 0; r->loss < sizeof LOSSES / sizeof *LOSSES; r->loss++)
		if (length == strlen(LOSSES[r->loss]) && !memcmp(text, LOSSES[r->loss], length))
			return true;
	return fail(r, NOT_LOSS, LOST, begin);
}

static enum want find(enum want of, const uint8_t *key, size_t length)
{
	if (of != OTHER)
		for (enum want want = 0; want < TRIP; want++)
			if (WANTED[want].of == of && WANTED[want].length == length &&
			    !memcmp(WANTED[want].key, key, length))
				return want;
	return OTHER;
}

static bool value(struct reader *r, enum want what, int depth);

static bool member(struct reader *r, enum want of, int depth)
{
	const uint8_t *begin = r->p, *key;
	size_t length;

	if (!string(r, &key, &length))
		return false;
	if (of != OTHER && memchr(key, '\\', length))
		return fail(r, SYNTAX, OTHER, begin);
	enum want want = find(of, key, length);
	if (want != OTHER && r->seen & 1u << want)
		return fail(r, TWICE, want, begin);
	r->seen |= 1u << want;
	skip_space(r);
	if (!take(r, ':'))
		return false;
	skip_space(r);
	return value(r, want, depth);
}

/* Members or elements between a pair of brackets. */
static bool many(struct reader *r, enum want of, int depth, uint8_t close)
{
	if (depth == DEEPEST)
		return fail(r, TOO_DEEP, OTHER, r->p);
	r->p++;
	skip_space(r);
	if (is(r, close)) {
		r->p++;
		return true;
	}
	for (;;) {
		if (!(close == '}' ? member(r, of, depth + 1) : value(r, OTHER, depth + 1)))
			return false;
		skip_space(r);
		if (!is(r, ','))
			return take(r, close);
		r->p++;
		skip_space(r);
	}
}

static bool value(struct reader *r, enum want what, int depth)
{
	const uint8_t *text;
	size_t length;

	if (r->p == r->end)
		return unexpected(r);
	if (what < NUMBERS)
		return any_number(r, what);
	if (what == LOST)
		return loss(r);
	if (*r->p == '{')
		return many(r, what, depth, '}');
	if (what != OTHER)
		return fail(r, NOT_OBJECT, what, r->p);
	switch (*r->p) {
	case '[':
		return many(r, OTHER, depth, ']');
	case '"':
		return string(r, &text, &length);
	case 't':
		return word(r, "true");
	case 'f':
		return word(r, "false");
	case 'n':
		return word(r, "null");
	default:
		return any_number(r, OTHER);
	}
}

static bool complete(struct reader *r, const uint8_t *begin)
{
	static const enum want NEEDED[] = { SEQNO, LOST, TIMESTAMPS, CLIENT, SEND, SENT, DELAY };

	for (size_t i = 0; i < sizeof NEEDED / sizeof *NEEDED; i++)
		if (!(r->seen & 1u << NEEDED[i]))
			return fail(r, MISSING, NEEDED[i], begin);
	if (!r->loss && !(r->seen & 1u << RTT))
		return fail(r, MISSING, RTT, begin);
	if (r->loss)
		r->numbers[RTT] = 0;
	return true;
}

static bool equal(const uint8_t **p, const uint8_t *end, const uint8_t *text, const uint8_t *text_end)
{
	size_t length = text_end - text;

	if ((size_t)(end - *p) < length || memcmp(*p, text, length))
		return false;
	*p += length;
	return true;
}

/* Reads a round trip that is the example but for its numbers; false where it is another, for whatever reason. */
static bool like_example(struct reader *r)
{
	const uint8_t *p = r->p, *text = r->example;

	if (!text || r->slots > SLOTS)
		return false;
	for (const struct slot *slot = r->slot; slot < r->slot + r->slots; slot++) {
		if (!equal(&p, r->end, text, slot->begin))
			return false;
		const uint8_t *begin = p, *first;

		if (p < r->end && *p == '-')
			p++;
		first = p;
		while (p < r->end && *p >= '0' && *p <= '9')
			p++;
		if (p == first || (*first == '0' && p - first > 1))
			return false;
		if (slot->want != OTHER && !convert(begin, p, &r->numbers[slot->want]))
			return false;
		text = slot->end;
	}
	if (!equal(&p, r->end, text, r->example_end))
		return false;
	r->p = p;
	return true;
}

static bool by_grammar(struct reader *r)
{
	r->example = r->p;
	r->slots = r->seen = 0;
	memset(r->numbers, 0, sizeof r->numbers);
	if (!is(r, '{'))
		return unexpected(r);
	if (!value(r, TRIP, 0))
		return false;
	r->example_end = r->p;
	return true;
}

/* One round trip with the comma in front of it, or the list's end. */
static bool trip(struct reader *r, bool started, bool *ended)
{
	skip_space(r);
	if (is(r, ']')) {
		r->p++;
		return *ended = true;
	}
	if (started) {
		if (!take(r, ','))
			return false;
		skip_space(r);
	}
	const uint8_t *begin = r->p;

	return (like_example(r) || by_grammar(r)) && complete(r, begin);
}

void irttscan(struct scan *s)
{
	struct reader r = { .p = s->block, .end = s->block + s->size };
	bool ended = false;

	s->rows = s->used = s->ended = s->fault = s->at = 0;
	s->key = NULL;
	while (s->rows < s->capacity) {
		if (!trip(&r, s->started || s->rows, &ended)) {
			s->fault = r.fault;
			s->at = r.at - s->block;
			s->key = r.about < TRIP ? WANTED[r.about].key : NULL;
			return;
		}
		s->used = r.p - s->block;
		if (ended) {
			s->ended = 1;
			return;
		}
		for (int i = 0; i < NUMBERS; i++)
			s->numbers[i * s->capacity + s->rows] = r.numbers[i];
		s->loss[s->rows++] = r.loss;
	}
}
