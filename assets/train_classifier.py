"""Make a classifier of labelled texts from a BERT encoder, for `grace-studio experiment labels`: minutes on one core.

Only the highest blocks and the head learn. What the blocks below give of each text is kept, since it never changes. Every second
row of the training split is left out; the file OUT/unseen.jsonl has those and the test split, which is what an experiment needs.

.venv/bin/python assets/train_classifier.py ENCODER_FOLDER labels.jsonl OUT
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

ROWS, RATE, EPOCHS, LONGEST = 32, 5e-4, 6, 96


class Kept(nn.Module):
    """Stands where the lower blocks are: gives what was read of the rows that are asked now."""

    states: torch.Tensor

    def forward(self, *_args: Any, **_kwargs: Any) -> torch.Tensor:
        """(rows, tokens, width)."""
        return self.states


def main() -> None:
    """Train, print the share of test texts that are right, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("data", type=Path, help="JSON Lines with text, label and split (train or test)")
    parser.add_argument("out", type=Path)
    parser.add_argument("--blocks", type=int, default=2, help="so many of the highest blocks learn (default: 2)")
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in arguments.data.read_text(encoding="utf-8").splitlines()]
    train, test = ([row for row in rows if row["split"] == split] for split in ("train", "test"))
    names = sorted({row["label"] for row in rows})
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(arguments.encoder, trust_remote_code=False)
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        arguments.encoder, num_labels=len(names), id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)}, trust_remote_code=False,
    )  # fmt: skip
    _learn(model, tokenizer, train[::2], names, arguments.blocks)
    right = sum(int(found == names.index(row["label"])) for row, found in zip(test, _said(model, tokenizer, test), strict=True))
    print(f"{right / len(test):.3f} of {len(test)} test texts are right.")  # noqa: T201
    model.save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)
    unseen = "".join(json.dumps(row) + "\n" for row in (*train[1::2], *test))
    (arguments.out / "unseen.jsonl").write_text(unseen, encoding="utf-8")


def _learn(model: Any, tokenizer: Any, rows: list[dict[str, str]], names: list[str], blocks: int) -> None:
    """Mutates the highest blocks and the head; the rest of the model is put back as it was."""
    lower, embeddings = model.bert.encoder.layer[:-blocks], model.bert.embeddings
    batches = []
    model.eval()
    with torch.no_grad():
        order = sorted(rows, key=lambda row: len(row["text"]))
        for start in range(0, len(order), ROWS):
            some = order[start : start + ROWS]
            inputs = _inputs(tokenizer, some)
            states = model.bert(**inputs, output_hidden_states=True).hidden_states[len(lower)]
            batches.append((inputs, states, torch.tensor([names.index(row["label"]) for row in some])))
    kept, every = Kept(), model.bert.encoder.layer
    model.bert.embeddings, model.bert.encoder.layer = kept, every[-blocks:]
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * len(batches))
    rng = random.Random(0)
    model.train()
    for _ in range(EPOCHS):
        for inputs, states, labels in rng.sample(batches, len(batches)):
            kept.states = states
            model(**inputs, labels=labels).loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.bert.embeddings, model.bert.encoder.layer = embeddings, every
    model.eval()


@torch.inference_mode()
def _said(model: Any, tokenizer: Any, rows: list[dict[str, str]]) -> list[int]:
    found: list[int] = []
    for start in range(0, len(rows), ROWS):
        found += model(**_inputs(tokenizer, rows[start : start + ROWS])).logits.argmax(-1).tolist()
    return found


def _inputs(tokenizer: Any, rows: list[dict[str, str]]) -> Any:
    texts = [row["text"] for row in rows]
    return tokenizer(texts, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")


if __name__ == "__main__":
    main()
