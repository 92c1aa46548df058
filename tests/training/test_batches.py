import torch

from skcfq.training import Batch, BatchDataset, TensorBatches


def batch_of(n):
    x = torch.arange(n, dtype=torch.float32)[:, None]
    return Batch(x, torch.arange(n), torch.ones(n), {"p": x + 100}, {"e": x.squeeze(1) * 2})


def test_an_epoch_gives_every_row_once_and_keeps_rows_together():
    batches = TensorBatches(BatchDataset(batch_of(10)), 4, torch.Generator().manual_seed(0))
    parts = list(batches)
    assert [len(part.x) for part in parts] == [4, 4, 2]
    assert len(batches) == 3
    seen = torch.cat([part.y for part in parts])
    assert sorted(seen.tolist()) == list(range(10))
    assert seen.tolist() != list(range(10))
    for part in parts:
        torch.testing.assert_close(part.x.squeeze(1), part.y.float())
        torch.testing.assert_close(part.points["p"], part.x + 100)
        torch.testing.assert_close(part.extra["e"], part.y * 2.0)


def test_epochs_differ_and_the_seed_repeats_them():
    def epochs():
        batches = TensorBatches(BatchDataset(batch_of(20)), 20, torch.Generator().manual_seed(3))
        return [next(iter(batches)).y.tolist() for _ in range(2)]

    first, second = epochs()
    assert first != second
    assert epochs() == [first, second]


def test_without_a_generator_the_order_is_kept():
    (part,) = TensorBatches(BatchDataset(batch_of(5)), 8)
    assert part.y.tolist() == [0, 1, 2, 3, 4]


def test_some_rows_of_a_batch():
    batch = batch_of(20)
    rows = torch.tensor([3, 7, 1, 19])
    dataset = BatchDataset(batch, rows.numpy())
    assert len(dataset) == 4
    drawn = [part.y for part in TensorBatches(dataset, 3)]
    assert torch.equal(torch.cat(drawn), batch.y[rows])
    shuffled = TensorBatches(dataset, 3, torch.Generator().manual_seed(0))
    assert len(shuffled) == 2
    assert torch.equal(
        torch.cat([part.x for part in shuffled]).sort(0)[0], batch.x[rows].sort(0)[0]
    )


def test_rows_are_drawn_in_proportion_to_their_shares():
    share = torch.tensor([0.0, 1.0, 3.0])
    dataset = BatchDataset(batch_of(3), None, share, 4000)
    batches = TensorBatches(dataset, 1500, torch.Generator().manual_seed(0))
    parts = [part.y for part in batches]
    assert [len(part) for part in parts] == [1500, 1500, 1000]
    assert len(batches) == 3
    counts = torch.cat(parts).bincount(minlength=3)
    assert counts[0] == 0
    assert abs(counts[1] - 1000) < 120
    (everybody,) = TensorBatches(dataset, 8)
    assert everybody.y.tolist() == [0, 1, 2]
    assert len(TensorBatches(dataset, 2)) == 2
