//! The searches for scales that ggml does in the sub-blocks of its blocks of 256: of four sub-blocks at a time, one in each
//! lane. Numbers come transposed: `x[i]` holds number `i` of each of the four.
//!
//! Loops do eight numbers a turn, since the engine that runs plugins looks at the clock in each turn.

use super::lanes::{F32x4, I32x4, Mask, nearest};

/// Sub-blocks whose numbers are all smaller than this count as zero.
pub(super) const ZERO: f32 = 1e-15;

/// How errors count where a scale and a minimum are sought.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Error {
    Absolute,
    Squared,
}

/// What scales and minima are tried: `steps + 1` grids of `top + 1` levels, the first stretched by `first` levels, each next
/// one by `step` more.
pub(super) struct Grids {
    pub(super) top: i32,
    pub(super) first: f32,
    pub(super) step: f32,
    pub(super) steps: u8,
    pub(super) error: Error,
}

/// What was found for a scale and a minimum, which is to be subtracted. Number `x` had the level that is nearest to
/// `stretch * (x - base)`.
pub(super) struct Affine {
    pub(super) scale: [f32; 4],
    pub(super) min: [f32; 4],
    pub(super) stretch: [f32; 4],
    pub(super) base: [f32; 4],
}

impl Grids {
    /// The scale and the minimum with the least error, where numbers weigh as `weights` says.
    pub(super) fn search<const N: usize>(&self, x: &[F32x4; N], weights: &[F32x4; N]) -> Affine {
        let zero = F32x4::splat(0.0);
        let (mut min, mut max) = (x[0], x[0]);
        let mut sum_w = weights[0];
        let mut sum_x = weights[0] * x[0];
        for i in 1..N {
            min = min.min(x[i]);
            max = max.max(x[i]);
            sum_w = sum_w + weights[i];
            sum_x = sum_x + weights[i] * x[i];
        }
        min = zero.less(min).pick(zero, min);
        let (flat, lowest) = (max.equal(min), min);
        let mut stretch = F32x4::splat(self.top as f32) / (max - min);
        let mut base = min;
        let mut scale = F32x4::splat(1.0) / stretch;
        let mut levels = [zero; N];
        self.fit(x, weights, stretch, base, &mut levels);
        let mut least = self.error(x, weights, &levels, scale, min);
        for step in 0..=self.steps {
            let stretched =
                F32x4::splat(self.first + self.step * f32::from(step) + self.top as f32) / (max - min);
            let (sum_l, sum_l2, sum_xl) = self.fit(x, weights, stretched, min, &mut levels);
            let determinant = sum_w * sum_l2 - sum_l * sum_l;
            let fit = (sum_w * sum_xl - sum_x * sum_l) / determinant;
            let offset = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
            let above = zero.less(offset);
            let fit = above.pick(sum_xl / sum_l2, fit);
            let offset = above.pick(zero, offset);
            let error = self.error(x, weights, &levels, fit, offset);
            let better = zero.less(determinant).and(error.less(least));
            (stretch, base) = (better.pick(stretched, stretch), better.pick(min, base));
            (least, scale, min) =
                (better.pick(error, least), better.pick(fit, scale), better.pick(offset, min));
        }
        Affine {
            scale: flat.pick(zero, scale).array(),
            min: (zero - flat.pick(lowest, min)).array(),
            stretch: flat.pick(zero, stretch).array(),
            base: flat.pick(zero, base).array(),
        }
    }

    /// The levels of a grid, and what their sums are: weighted, squared, and times numbers.
    #[inline(always)]
    fn fit<const N: usize>(
        &self,
        x: &[F32x4; N],
        weights: &[F32x4; N],
        stretch: F32x4,
        base: F32x4,
        levels: &mut [F32x4; N],
    ) -> (F32x4, F32x4, F32x4) {
        let mut sums = (F32x4::splat(0.0), F32x4::splat(0.0), F32x4::splat(0.0));
        for at in (0..N).step_by(8) {
            for i in at..at + 8 {
                let level = (stretch * (x[i] - base)).nearest().clamp(0, self.top).float();
                levels[i] = level;
                let weighted = weights[i] * level;
                sums.0 = sums.0 + weighted;
                sums.1 = sums.1 + weighted * level;
                sums.2 = sums.2 + weighted * x[i];
            }
        }
        sums
    }

    #[inline(always)]
    fn error<const N: usize>(
        &self,
        x: &[F32x4; N],
        weights: &[F32x4; N],
        levels: &[F32x4; N],
        scale: F32x4,
        min: F32x4,
    ) -> F32x4 {
        let mut sum = F32x4::splat(0.0);
        for at in (0..N).step_by(8) {
            for i in at..at + 8 {
                let off = scale * levels[i] + min - x[i];
                let off = match self.error {
                    Error::Absolute => off.abs(),
                    Error::Squared => off * off,
                };
                sum = sum + weights[i] * off;
            }
        }
        sum
    }
}

impl Affine {
    /// The level that the search gave to number `x` of sub-block `lane`.
    pub(super) fn level(&self, lane: usize, x: f32, top: i32) -> u8 {
        nearest(self.stretch[lane] * (x - self.base[lane])).clamp(0, top) as u8
    }
}

/// What was found for a scale alone. Number `x` had the level that is nearest to `stretch * x`; a stretch of zero is a
/// sub-block of zeros.
pub(super) struct Linear {
    pub(super) scale: [f32; 4],
    pub(super) stretch: [f32; 4],
}

/// The scale that suits levels from `-half` to `half - 1` best, where numbers weigh as much as their squares.
pub(super) fn linear(x: &[F32x4; 16], half: i32) -> Linear {
    let zero = F32x4::splat(0.0);
    let (zeros, peak) = peak(x);
    let squares: [F32x4; 16] = std::array::from_fn(|i| x[i] * x[i]);
    let sums = |stretch: F32x4| {
        let (mut sum_lx, mut sum_l2) = (zero, zero);
        for i in 0..16 {
            let level = (stretch * x[i]).nearest().clamp(-half, half - 1).float();
            sum_lx = sum_lx + squares[i] * x[i] * level;
            sum_l2 = sum_l2 + squares[i] * level * level;
        }
        (sum_lx, sum_l2)
    };
    let mut stretch = F32x4::splat(-half as f32) / peak;
    let (sum_lx, sum_l2) = sums(stretch);
    let mut scale = sum_l2.equal(zero).pick(zero, sum_lx / sum_l2);
    let mut best = scale * sum_lx;
    for step in (-9_i8..=9).filter(|step| *step != 0) {
        let stretched = F32x4::splat(-(half as f32 + 0.1 * f32::from(step))) / peak;
        let (sum_lx, sum_l2) = sums(stretched);
        let better = zero.less(sum_l2).and((best * sum_l2).less(sum_lx * sum_lx));
        stretch = better.pick(stretched, stretch);
        scale = better.pick(sum_lx / sum_l2, scale);
        best = better.pick(scale * sum_lx, best);
    }
    Linear { scale: zeros.pick(zero, scale).array(), stretch: zeros.pick(zero, stretch).array() }
}

impl Linear {
    /// The level, counted from zero, that the search gave to number `x` of sub-block `lane`.
    pub(super) fn level(&self, lane: usize, x: f32, half: i32) -> u8 {
        if self.stretch[lane] == 0.0 {
            return 0;
        }
        (nearest(self.stretch[lane] * x).clamp(-half, half - 1) + half) as u8
    }
}

/// What was found by moving single levels. Levels come transposed, and count from zero.
pub(super) struct Moved {
    pub(super) scale: [f32; 4],
    pub(super) levels: [[i32; 4]; 16],
}

/// The scale for levels from -4 to 3, each of which is moved as long as that lessens the error, five times at most.
pub(super) fn moved(x: &[F32x4; 16]) -> Moved {
    let zero = F32x4::splat(0.0);
    let (zeros, peak) = peak(x);
    let squares: [F32x4; 16] = std::array::from_fn(|i| x[i] * x[i]);
    let stretch = F32x4::splat(-4.0) / peak;
    let mut levels: [F32x4; 16] = std::array::from_fn(|i| within(stretch * x[i]).float());
    let (mut sum_lx, mut sum_l2) = (zero, zero);
    for i in 0..16 {
        sum_lx = sum_lx + squares[i] * x[i] * levels[i];
        sum_l2 = sum_l2 + squares[i] * levels[i] * levels[i];
    }
    for _ in 0..5 {
        let mut changed = false;
        for i in 0..16 {
            let cube = squares[i] * x[i];
            let without_lx = sum_lx - cube * levels[i];
            let without_l2 = sum_l2 - squares[i] * levels[i] * levels[i];
            let level = within(x[i] * without_l2 / without_lx).float();
            let other = level.equal(levels[i]).not();
            let with_lx = without_lx + cube * level;
            let with_l2 = without_l2 + squares[i] * level * level;
            let less = (sum_lx * sum_lx * with_l2).less(with_lx * with_lx * sum_l2);
            let better = zero.less(without_lx).and(other).and(zero.less(with_l2)).and(less);
            levels[i] = better.pick(level, levels[i]);
            (sum_lx, sum_l2) = (better.pick(with_lx, sum_lx), better.pick(with_l2, sum_l2));
            changed |= better.any();
        }
        if !changed {
            break;
        }
    }
    let scale = zero.less(sum_l2).pick(sum_lx / sum_l2, zero);
    Moved {
        scale: zeros.pick(zero, scale).array(),
        levels: levels.map(|l| zeros.pick(zero, l + F32x4::splat(4.0)).cut().array()),
    }
}

fn within(level: F32x4) -> I32x4 {
    level.nearest().clamp(-4, 3)
}

/// Which sub-blocks are as good as zero, and the first number of each that is as far from zero as any.
fn peak(x: &[F32x4; 16]) -> (Mask, F32x4) {
    let (mut farthest, mut peak) = (F32x4::splat(0.0), F32x4::splat(0.0));
    for number in x {
        let farther = farthest.less(number.abs());
        peak = farther.pick(*number, peak);
        farthest = farther.pick(number.abs(), farthest);
    }
    (farthest.less(F32x4::splat(ZERO)), peak)
}
