"""What is said of another ε: what holds now, what a tried one would do, what caps a radius, what turns an answer. Pure."""

from __future__ import annotations

from app.charts.labels import counted, part_of
from grace_core.codebook.codebook import Entry
from grace_core.measuring.what_if import Cap, Moment, Turn, WhatIf, asked_epsilon, present_radii, subject_cap


def present_sentence(view: Moment, edit_id: str | None) -> str:
    """Which radii the keys have and ask for, and how many logged queries are answered by them."""
    if edit_id is None:
        answered = sum(match.matched for match in view.matches)
        radius = _radii_words(view)
        by = "edits answer"
    else:
        entry = view.codebook.entry_of(edit_id)
        assert entry is not None
        asked = asked_epsilon(view.codebook, edit_id)[1]
        answered = sum(match.matched and match.entry is entry for match in view.matches)
        gets = "" if entry.epsilon == asked else f" and gets {entry.epsilon:.3f}"
        radius = f"This key asks for ε {asked:.3f}{gets}.{_subject_words(view, entry)}"
        by = "it answers"
    logged = f"{len(view.queries):,} logged {'query' if len(view.queries) == 1 else 'queries'}"
    total = f"Of {logged}, {by} {answered:,}. " if view.queries else ""
    return f"Now: {radius} {total}Move the slider to see what another ε would change."


def _subject_words(view: Moment, entry: Entry) -> str:
    """With two keys, where the subject's part of one key ends, if that is sooner than ε."""
    cap = subject_cap(view.codebook, entry, {edit.edit_id: edit for edit in view.codebook.edits})
    return "" if cap is None else f" Its subject's part ends sooner, at {cap.epsilon:.3f}: {_why(cap)}."


def _radii_words(view: Moment) -> str:
    count = len(view.codebook.entries)
    asked, radii = asked_epsilon(view.codebook, None), present_radii(view.codebook, None)
    ends = [entry.subject_end for entry in view.codebook.entries if entry.subject_end < entry.epsilon]
    sooner = f" At {counted(len(ends), 'key')} the subject's part ends sooner, from {min(ends):.3f} on." if ends else ""
    if asked[0] == asked[2] == radii[0] == radii[2]:
        return f"{'The only key has' if count == 1 else f'Each of the {count:,} keys has'} ε {asked[1]:.3f}.{sooner}"
    wanted = f"{asked[1]:.3f}" if asked[0] == asked[2] else f"{asked[0]:.3f} to {asked[2]:.3f}"
    capped = "; other edits cap them" if radii != asked else ""
    if radii[0] == radii[2]:
        every = "The only key has" if count == 1 else f"Each of the {count:,} keys has"
        return f"{every} ε {radii[1]:.3f} and asks for {wanted}.{sooner}"
    return (
        f"The {count:,} keys have ε from {radii[0]:.3f} to {radii[2]:.3f} (median {radii[1]:.3f}) and ask for {wanted}{capped}."
        f"{sooner}"
    )


def tried_sentence(found: WhatIf, edit_id: str | None) -> str:
    """The effect in a few sentences."""
    whose = "all edits" if edit_id is None else "this key"
    changed = len(found.changed)
    parts = [f"With ε {found.epsilon:g} for {whose},"]
    if found.queries:
        parts.append(f"{changed:,} of {found.queries:,} logged queries would be answered otherwise;")
    parts.append(f"{found.moved:,} of {len(found.after.entries):,} keys would have another radius.")
    if found.lifted:
        one = found.lifted == 1
        parts.append(
            f"{found.lifted:,} {'key asks' if one else 'keys ask'} for less than new edits do, mostly because the same question "
            f"about somebody else is near; this lifts that, so look at “touched” below."
        )
    if edit_id is None:
        parts += [_cap_words(found), "Edits made later still ask for an ε of their own."]
    elif found.room is not None and not found.caps:
        parts.append(_room_words(found.room))
    parts += [_cap_sentence(cap) for cap in found.caps] if edit_id is not None else []
    if edit_id is not None and found.spared:
        parts.append(f"Its subject's part ends sooner: {SIBLINGS}; no ε moves that.")
    if count := len(found.beyond):
        parts.append(
            f"{count:,} more logged {'query lies' if count == 1 else 'queries lie'} within {found.epsilon:g} of "
            f"{'its nearest key and is' if count == 1 else 'their nearest keys and are'} kept out by "
            f"{'its cap' if count == 1 else 'their caps'}."
        )
    if count := len(found.others):
        one = count == 1
        parts.append(
            f"{count:,} logged {'query is' if one else 'queries are'} about another subject than "
            f"{'its nearest key and stays' if one else 'their nearest keys and stay'} out whatever ε is."
        )
    return " ".join(part for part in parts if part)


def _cap_words(found: WhatIf) -> str:
    """Why an ε does nothing more, where every key has its cap."""
    caps = [cap for cap in found.caps if cap.part != "subject"]
    if found.ceiling is None or any(cap.kind != "rival" for cap in caps):
        return ""
    every = "The only key has" if found.keys == 1 else "Every key has"
    return (
        f"{every} its cap with this ε: {part_of(caps[0].share)} to the nearest edit with another target, "
        f"{found.ceiling:.3f} at most. "
        f"A larger ε than that changes nothing while those edits stand; what caps each key is listed below."
    )


def _room_words(room: Cap) -> str:
    if room.distance is None or room.kind != "rival":
        return ""
    way = part_of(room.share)
    what = "The question's part" if room.part == "question" else "It"
    return f"{what} could grow to {room.distance * room.share:.3f}, {way} to “{room.other_prompt}”, which has another target."


SIBLINGS = "the same question about others is near, and must not be answered"


def cap_text(cap: Cap) -> str:
    """Why a key, or one part of it, reaches less far than it asks for, or farther."""
    if cap.part is not None:
        return f"its {cap.part}'s part ends at {cap.epsilon:.3f}: {_why(cap)}"
    return f"gets ε {cap.epsilon:.3f}{'' if cap.kind == 'rule' else ':'} {_why(cap)}"


def _cap_sentence(cap: Cap) -> str:
    text = cap_text(cap)
    return f"It {text}." if cap.part is None else f"I{text[1:]}."


def _why(cap: Cap) -> str:
    match cap.kind:
        case "rival":
            apart = "the distance" if cap.distance is None else f"{cap.distance:.3f}, the distance"
            return f"{part_of(cap.share, apart)} to “{cap.other_prompt}”, which has another target"
        case "serves":
            return f"it also serves “{cap.other_prompt}”, at that distance"
        case "siblings":
            return SIBLINGS
        case "rule":
            near = f"; the nearest with another target is “{cap.other_prompt}”" if cap.other_prompt else ""
            return f"by the published rule, which goes edit by edit{near}"


def turn_sentence(turn: Turn, found: WhatIf | None) -> str:
    """Which ε would have made a logged query's answer another one. found: what that ε would change."""
    parts = "" if turn.parts is None else f" ({turn.parts})"
    where = (
        f"“{turn.query.prompt}” is {turn.distance:.3f} from its nearest key{parts}, “{turn.prompt}”, whose ε is "
        f"{turn.epsilon:.3f}: {'the edit answers' if turn.answered else 'the model answers by itself'}."
    )
    if turn.other is None or found is None:
        return f"{where} {_no_epsilon(turn)}"
    others = counted(len(found.changed) - 1, "other logged answer")
    if turn.answered:
        return (
            f"{where} Below {turn.distance:.3f} the model answers by itself; {turn.other:g} is tried here and changes {others}."
        )
    return f"{where} From {turn.distance:.3f} on the edit answers; {turn.other:g} is tried here and changes {others}."


def _no_epsilon(turn: Turn) -> str:
    """Why no ε turns it."""
    if turn.answered:
        return "No ε of that key avoids this, as it is the edit’s own question or shares its key; undo the edit instead."
    phrasing = "If it means the same, give this question to the edit as a phrasing instead."
    if turn.end is None:
        return f"No ε of that key reaches it. {phrasing}"
    return f"No ε of that key reaches it: {'it ' if turn.end.part is None else ''}{cap_text(turn.end)}. {phrasing}"
