"""The order of training images, which Tessera draws with Philox4x32-10 (Salmon et al., 2011)."""

MASK = 0xFFFFFFFF
ORDER, VIEW = 2, 3


class CounterRandom:
    """64-bit words that are a function of seed, purpose, index and position."""

    def __init__(self, seed, purpose, index=0):
        self.key = (seed & MASK, seed >> 32)
        self.stream = (purpose, index & MASK, index >> 32)
        self.block, self.words = 0, []

    def next(self):
        if not self.words:
            x, (a, b) = [self.block, *self.stream], self.key
            for _ in range(10):
                p, q = x[0] * 0xD2511F53, x[2] * 0xCD9E8D57
                x = [(q >> 32) ^ x[1] ^ a, q & MASK, (p >> 32) ^ x[3] ^ b, p & MASK]
                a, b = (a + 0x9E3779B9) & MASK, (b + 0xBB67AE85) & MASK
            self.words = [x[0] | x[1] << 32, x[2] | x[3] << 32]
            self.block += 1
        return self.words.pop(0)

    def below(self, bound):
        return (self.next() >> 32) * bound >> 32

    def permutation(self, count):
        order = list(range(count))
        for i in range(count - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order


def batches(images, views, size, seed):
    """Endless batches of (image, view): every epoch a new order, batches running on across its border."""
    first = 0
    while True:
        batch = []
        for place in range(first, first + size):
            epoch = place // images
            if place % images == 0:
                order = CounterRandom(seed, ORDER, epoch).permutation(images)
            image = order[place % images]
            view = CounterRandom(seed, VIEW, epoch << 32 | image).below(views) if views > 1 else 0
            batch.append((image, view))
        first += size
        yield batch
