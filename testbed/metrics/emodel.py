"""The E-model: how good a telephone call is, told from its delay and its losses.

ITU-T Rec. G.107 (06/2015), equations 7-1 to 7-29 and Annex B, with the default of every parameter that a
network does not change (Table 2 there). The codec is G.711 with packet loss concealment: Ie = 0 and
Bpl = 25.1 (ITU-T Rec. G.113, Appendix I). With no delay and no loss R is 93.2 and the MOS 4.41.
"""

from __future__ import annotations

from math import exp, log10, sqrt

SLR, RLR = 8.0, 2.0  # loudness ratings of sending and receiving, dB
STMR, DS, DR = 15.0, 3.0, 3.0  # sidetone masking rating, dB; D-values of the two telephones
TELR, WEPL = 65.0, 110.0  # talker echo loudness rating and weighted echo path loss, dB
PS, PR = 35.0, 35.0  # room noise at the two sides, dB(A)
NC, NFOR = -70.0, -64.0  # circuit noise, dBm0p; noise floor at the receiver, dBmp
QDU = 1.0  # quantising distortion units
MT_MS, ST = 100.0, 1.0  # below this delay none is perceived; sensitivity to delay (default class)
IE, BPL = 0.0, 25.1  # impairment by the codec alone; its robustness against random loss
ADVANTAGE = 0.0  # what users forgive a network that nothing else can replace


def mean_opinion_score(rating: float) -> float:
    """Return the estimated MOS of a rating R (B-4): 1 (bad) to 4.5."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    return 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6


def transmission_rating(delay_ms: float, loss: float, burst_ratio: float = 1.0) -> float:
    """Return R = Ro - Is - Id - Ie,eff + A (7-1).

    ``delay_ms`` is mouth to ear, one way; ``loss`` the share of packets that the ear misses, and
    ``burst_ratio`` the length of the loss bursts against those of random loss (1: random).
    """
    noise = _noise()
    basic = 15 - 1.5 * (SLR + noise)  # Ro (7-2)
    echo = _talker_echo(noise, delay_ms) + _listener_echo(basic, delay_ms)
    impaired = _simultaneous(basic, noise, delay_ms) + echo + _absolute_delay(delay_ms)
    return basic - impaired - effective_equipment(loss, burst_ratio) + ADVANTAGE


def effective_equipment(loss: float, burst_ratio: float = 1.0) -> float:
    """Return Ie,eff (7-29): what codec and loss together take."""
    percent = 100 * loss
    return IE + (95 - IE) * percent / (percent / burst_ratio + BPL) if loss > 0 else IE


def _noise() -> float:
    """Return No (7-3 to 7-7), the sum of all noise, in dBm0p."""
    olr = SLR + RLR
    room_sent = PS - SLR - DS - 100 + 0.004 * (PS - olr - DS - 14) ** 2
    heard = PR + 10 * log10(1 + 10 ** ((10 - (STMR + DR)) / 10))
    room_received = RLR - 121 + heard + 0.008 * (heard - 35) ** 2
    return 10 * log10(sum(10.0 ** (n / 10) for n in (NC, room_sent, room_received, NFOR + RLR)))


def _simultaneous(basic: float, noise: float, delay_ms: float) -> float:
    """Return Is (7-8 to 7-17): too loud a connection, sidetone, quantising."""
    x = SLR + RLR + 0.2 * (64 + noise - RLR)
    loud = 20 * ((1 + (x / 8) ** 8) ** (1 / 8) - x / 8)
    stmr = -10 * log10(10 ** (-STMR / 10) + exp(-delay_ms / 4) * 10 ** (-TELR / 10))
    sidetone = (
        12 * (1 + ((stmr - 13) / 6) ** 8) ** (1 / 8)
        - 28 * (1 + ((stmr + 1) / 19.4) ** 35) ** (1 / 35)
        - 13 * (1 + ((stmr - 3) / 33) ** 13) ** (1 / 13)
        + 29
    )
    q = 37 - 15 * log10(QDU)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    quantising = 15 * log10(1 + 10 ** ((basic - 100) / 15 + 46 / 8.4 - g / 9) + 10 ** (46 / 30 - g / 40))
    return float(loud + sidetone + quantising)


def _talker_echo(noise: float, delay_ms: float) -> float:
    """Return Idte (7-19 to 7-22)."""
    terv = TELR - 40 * log10((1 + delay_ms / 10) / (1 + delay_ms / 150)) + 6 * exp(-0.3 * delay_ms**2)
    difference = -1.5 * (noise - RLR) - (80 + 2.5 * (terv - 14))
    return (difference / 2 + sqrt(difference**2 / 4 + 100) - 1) * (1 - exp(-delay_ms))


def _listener_echo(basic: float, delay_ms: float) -> float:
    """Return Idle (7-25, 7-26)."""
    difference: float = basic - 10.5 * (WEPL + 7) * (2 * delay_ms + 1) ** -0.25
    return difference / 2 + sqrt(difference**2 / 4 + 169)


def _absolute_delay(delay_ms: float) -> float:
    """Return Idd (7-27, 7-28)."""
    if delay_ms <= MT_MS:
        return 0.0
    x, power = log10(delay_ms / MT_MS) / log10(2), 6 * ST
    return float(25 * ((1 + x**power) ** (1 / power) - 3 * (1 + (x / 3) ** power) ** (1 / power) + 2))
