/*
 * An interface belongs to one link: played by two, every packet would pass twice and come back, and both
 * certificates would be right. The claim is an abstract socket of the interface's network namespace, which
 * the kernel gives free with the process that holds it, however that ends (testbed/link/netemd/claim.py: the same).
 */
#ifndef CLAIM_H
#define CLAIM_H

#include <stdbool.h>

/* Claims the interface until this process ends; false: it has an owner, who is named on stderr. */
bool claim(const char *name, int index);

#endif
