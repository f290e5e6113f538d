/* JSON's tokens (RFC 8259), read from left to right out of a block; nothing outside the block is looked at.
 *
 * A reader that returns false has stopped at the byte that may not stand there; at the block's end, more text may
 * still make it a token.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct json {
	const uint8_t *p, *end;
};

static void json_space(struct json *j)
{
	static const uint8_t EIGHT[8] = "        ";

	while (j->p < j->end) {
		if (*j->p == ' ' && j->end - j->p >= 8 && !memcmp(j->p, EIGHT, 8))
			j->p += 8;
		else if (*j->p == ' ' || *j->p == '\n' || *j->p == '\r' || *j->p == '\t')
			j->p++;
		else
			return;
	}
}

static bool json_is(const struct json *j, uint8_t c)
{
	return j->p < j->end && *j->p == c;
}

static bool json_take(struct json *j, uint8_t c)
{
	if (!json_is(j, c))
		return false;
	j->p++;
	return true;
}

/* "true", "false" or "null". */
static bool json_word(struct json *j, const char *text)
{
	for (; *text; text++)
		if (!json_take(j, *text))
			return false;
	return true;
}

static bool json_digit(const struct json *j)
{
	return j->p < j->end && *j->p >= '0' && *j->p <= '9';
}

static bool json_one_of(const struct json *j, const char *bytes)
{
	return j->p < j->end && *j->p && strchr(bytes, *j->p);
}

static bool json_escape(struct json *j)
{
	j->p++;
	if (!json_one_of(j, "\"\\/bfnrtu"))
		return false;
	if (*j->p++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, j->p++)
		if (!json_one_of(j, "0123456789abcdefABCDEF"))
			return false;
	return true;
}

/* A string; its bytes between the quotes are left in `text` and `length`. */
static bool json_string(struct json *j, const uint8_t **text, size_t *length)
{
	if (!json_take(j, '"'))
		return false;
	*text = j->p;
	while (j->p < j->end && *j->p != '"') {
		if (*j->p < ' ')
			return false;
		if (*j->p != '\\')
			j->p++;
		else if (!json_escape(j))
			return false;
	}
	*length = j->p - *text;
	return json_take(j, '"');
}

/* Whether the bytes of a string, from `p` to `end` with its escapes, spell a word of letters, digits and '_'. */
static bool json_spells(const uint8_t *p, const uint8_t *end, const char *word)
{
	for (; p < end && *word; word++) {
		if (*p != '\\') {
			if (*p++ != (uint8_t)*word)
				return false;
			continue;
		}
		if (p[1] != 'u')	/* no other escape stands for any of these */
			return false;
		unsigned code = 0;

		for (int i = 2; i < 6; i++)
			code = code << 4 | ((p[i] & 15) + (p[i] > '9' ? 9 : 0));
		if (code != (uint8_t)*word)
			return false;
		p += 6;
	}
	return p == end && !*word;
}

static bool json_digits(struct json *j)
{
	const uint8_t *begin = j->p;

	while (json_digit(j))
		j->p++;
	return j->p > begin;
}

/* Any number; `whole` says whether it has neither fraction nor exponent. */
static bool json_number(struct json *j, bool *whole)
{
	*whole = true;
	json_take(j, '-');
	if (!json_take(j, '0') && !json_digits(j))
		return false;
	if (json_take(j, '.')) {
		*whole = false;
		if (!json_digits(j))
			return false;
	}
	if (json_take(j, 'e') || json_take(j, 'E')) {
		*whole = false;
		if (!json_take(j, '+'))
			json_take(j, '-');
		if (!json_digits(j))
			return false;
	}
	return j->p < j->end;	/* more of it may follow */
}

/* The value of a whole number's text; false where it is beyond 64 bits. */
static bool json_integer(const uint8_t *p, const uint8_t *end, int64_t *value)
{
	bool negative = *p == '-';

	*value = 0;
	for (p += negative; p < end; p++)	/* downwards: the range reaches one further there */
		if (__builtin_mul_overflow(*value, 10, value) || __builtin_sub_overflow(*value, *p - '0', value))
			return false;
	return negative || !__builtin_sub_overflow(0, *value, value);
}
