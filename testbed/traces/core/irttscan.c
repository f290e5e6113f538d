/* irttscan: the numbers of irtt's round trips, out of a block of its JSON.
 *
 * A day at 20 ms is 5 GB of text. The block is read once, from left to right, as the JSON grammar says; nothing is
 * allocated, and nothing outside the block is looked at. Round trips that end inside the block become rows; the caller
 * brings the rest of the block again, in front of the next one.
 *
 * One round trip's text is the next one's but for the numbers. So each is first compared with the last one that was
 * read by the grammar: equal text between whole numbers is as good JSON, and means the same.
 *
 * Stricter than JSON where a number could be mistaken: a wanted key may stand only once.
 */
#include "json.h"

/* What is wanted: the numbers first, in the order of the rows' columns. */
enum want { SEQNO, SENT, RTT, UP, DOWN, NUMBERS, LOST = NUMBERS, TIMESTAMPS, CLIENT, SEND, DELAY, TRIP, OTHER };

static const struct {
	const char *key;
	enum want of;
} WANTED[TRIP] = {
	[SEQNO] = { "seqno", TRIP },
	[SENT] = { "wall", SEND },
	[RTT] = { "rtt", DELAY },
	[UP] = { "send", DELAY },
	[DOWN] = { "receive", DELAY },
	[LOST] = { "lost", TRIP },
	[TIMESTAMPS] = { "timestamps", TRIP },
	[CLIENT] = { "client", TIMESTAMPS },
	[SEND] = { "send", CLIENT },
	[DELAY] = { "delay", TRIP },
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
	struct json in;
	enum fault fault;		/* NONE although the reading failed: the token at hand is none */
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

static bool any_number(struct reader *r, enum want want)
{
	const uint8_t *begin = r->in.p;
	bool whole;

	if (want != OTHER && r->in.p < r->in.end && *r->in.p != '-' && !json_digit(&r->in))
		return fail(r, NOT_WHOLE, want, begin);
	if (!json_number(&r->in, &whole))
		return false;
	if (want != OTHER && !whole)
		return fail(r, NOT_WHOLE, want, begin);
	if (want != OTHER && !json_integer(begin, r->in.p, &r->numbers[want]))
		return fail(r, TOO_LARGE, want, begin);
	if (whole && r->slots++ < SLOTS)
		r->slot[r->slots - 1] = (struct slot){ begin, r->in.p, want };
	return true;
}

/* "false", "true_up" ...; also the words false and true. */
static bool loss(struct reader *r)
{
	const uint8_t *begin = r->in.p, *text = begin;
	size_t length;

	if (json_is(&r->in, '"')) {
		if (!json_string(&r->in, &text, &length))
			return false;
	} else if (json_is(&r->in, 't') || json_is(&r->in, 'f')) {
		if (!json_word(&r->in, *begin == 't' ? "true" : "false"))
			return false;
		length = r->in.p - begin;
	} else {
		return r->in.p < r->in.end && fail(r, NOT_LOSS, LOST, begin);
	}
	for (r->loss = 0; r->loss < sizeof LOSSES / sizeof *LOSSES; r->loss++)
		if (json_spells(text, text + length, LOSSES[r->loss]))
			return true;
	return fail(r, NOT_LOSS, LOST, begin);
}

static enum want find(enum want of, const uint8_t *key, size_t length)
{
	if (of != OTHER)
		for (enum want want = 0; want < TRIP; want++)
			if (WANTED[want].of == of && json_spells(key, key + length, WANTED[want].key))
				return want;
	return OTHER;
}

static bool value(struct reader *r, enum want what, int depth);

static bool member(struct reader *r, enum want of, int depth)
{
	const uint8_t *begin = r->in.p, *key;
	size_t length;

	if (!json_string(&r->in, &key, &length))
		return false;
	enum want want = find(of, key, length);
	if (want != OTHER && r->seen & 1u << want)
		return fail(r, TWICE, want, begin);
	r->seen |= 1u << want;
	json_space(&r->in);
	if (!json_take(&r->in, ':'))
		return false;
	json_space(&r->in);
	return value(r, want, depth);
}

/* Members or elements between a pair of brackets. */
static bool many(struct reader *r, enum want of, int depth, uint8_t close)
{
	if (depth == DEEPEST)
		return fail(r, TOO_DEEP, OTHER, r->in.p);
	r->in.p++;
	json_space(&r->in);
	if (json_take(&r->in, close))
		return true;
	for (;;) {
		if (!(close == '}' ? member(r, of, depth + 1) : value(r, OTHER, depth + 1)))
			return false;
		json_space(&r->in);
		if (!json_take(&r->in, ','))
			return json_take(&r->in, close);
		json_space(&r->in);
	}
}

static bool value(struct reader *r, enum want what, int depth)
{
	const uint8_t *text;
	size_t length;

	if (r->in.p == r->in.end)
		return false;
	if (what < NUMBERS)
		return any_number(r, what);
	if (what == LOST)
		return loss(r);
	if (*r->in.p == '{')
		return many(r, what, depth, '}');
	if (what != OTHER)
		return fail(r, NOT_OBJECT, what, r->in.p);
	switch (*r->in.p) {
	case '[':
		return many(r, OTHER, depth, ']');
	case '"':
		return json_string(&r->in, &text, &length);
	case 't':
		return json_word(&r->in, "true");
	case 'f':
		return json_word(&r->in, "false");
	case 'n':
		return json_word(&r->in, "null");
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

static bool equal(struct json *in, const uint8_t *text, const uint8_t *text_end)
{
	size_t length = text_end - text;

	if ((size_t)(in->end - in->p) < length || memcmp(in->p, text, length))
		return false;
	in->p += length;
	return true;
}

/* Reads a round trip that is the example but for its numbers; false where it is another, for whatever reason. */
static bool like_example(struct reader *r)
{
	struct json in = r->in;
	const uint8_t *text = r->example;

	if (!text || r->slots > SLOTS)
		return false;
	for (const struct slot *slot = r->slot; slot < r->slot + r->slots; slot++) {
		if (!equal(&in, text, slot->begin))
			return false;
		const uint8_t *begin = in.p, *first = begin + json_is(&in, '-');

		in.p = first;
		if (!json_digits(&in) || (*first == '0' && in.p - first > 1))
			return false;
		if (slot->want != OTHER && !json_integer(begin, in.p, &r->numbers[slot->want]))
			return false;
		text = slot->end;
	}
	if (!equal(&in, text, r->example_end))
		return false;
	r->in = in;
	return true;
}

static bool by_grammar(struct reader *r)
{
	r->example = r->in.p;
	r->slots = r->seen = 0;
	memset(r->numbers, 0, sizeof r->numbers);
	if (!json_is(&r->in, '{'))
		return false;
	if (!value(r, TRIP, 0))
		return false;
	r->example_end = r->in.p;
	return true;
}

/* One round trip with the comma in front of it, or the list's end. */
static bool trip(struct reader *r, bool started, bool *ended)
{
	json_space(&r->in);
	if (json_take(&r->in, ']'))
		return *ended = true;
	if (started) {
		if (!json_take(&r->in, ','))
			return false;
		json_space(&r->in);
	}
	const uint8_t *begin = r->in.p;

	return (like_example(r) || by_grammar(r)) && complete(r, begin);
}

void irttscan(struct scan *s)
{
	struct reader r = { .in = { s->block, s->block + s->size } };
	bool ended = false;

	s->rows = s->used = s->ended = s->fault = s->at = 0;
	s->key = NULL;
	while (s->rows < s->capacity) {
		if (!trip(&r, s->started || s->rows, &ended)) {
			if (!r.fault)
				fail(&r, r.in.p < r.in.end ? SYNTAX : MORE, OTHER, r.in.p);
			s->fault = r.fault;
			s->at = r.at - s->block;
			s->key = r.about < TRIP ? WANTED[r.about].key : NULL;
			return;
		}
		s->used = r.in.p - s->block;
		if (ended) {
			s->ended = 1;
			return;
		}
		for (int i = 0; i < NUMBERS; i++)
			s->numbers[i * s->capacity + s->rows] = r.numbers[i];
		s->loss[s->rows++] = r.loss;
	}
}
