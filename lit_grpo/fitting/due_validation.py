"""Which validations count: one that was due when a run was killed, and no part of one.

Called by RepairEvaluation. A checkpoint that is written at the end of a batch, as Ctrl-C and
``every_n_train_steps`` do, is older than the validation after that batch, which Lightning leaves out on resuming. A
curriculum would then decide without it, and the resumed run would not be the run that was not killed.
"""

from __future__ import annotations

import lightning.pytorch as pl

from lit_grpo.data.batches import consumed_batches


def run_due_validation(trainer: pl.Trainer, validated_at: int | None) -> None:
    """Validate as the loop does after a batch, if the loop would have. Every rank calls it with the same arguments.

    Args:
        trainer: At the start of training, its checkpoint restored.
        validated_at: Batches that were consumed at the last validation; None if there was none.
    """
    if not _is_due(trainer) or validated_at == consumed_batches(trainer):
        return
    loop = trainer.fit_loop.epoch_loop.val_loop
    # It was restored with the progress of an earlier validation, which has nothing to do with this one.
    loop.restarting = False
    trainer.validating = True
    loop.run()
    trainer.training = True


def is_partial_check(trainer: pl.Trainer) -> bool:
    """Whether this is Lightning's sanity check before training, and leaves out some of the held-out tasks."""
    return trainer.sanity_checking and trainer.num_sanity_val_steps < len(trainer.val_dataloaders)  # pyright: ignore[reportArgumentType]


def _is_due(trainer: pl.Trainer) -> bool:
    """Whether the last consumed batch is one that a validation follows, counted in batches as the loop counts them."""
    done, every = consumed_batches(trainer), trainer.val_check_batch
    if not done or not trainer.enable_validation or every is None or every == float("inf"):
        return False
    if trainer.check_val_every_n_epoch is None:
        return done % every == 0
    epoch_length = trainer.num_training_batches
    epoch, in_epoch = (done - 1) // epoch_length, (done - 1) % epoch_length + 1
    return (epoch + 1) % trainer.check_val_every_n_epoch == 0 and in_epoch % every == 0
