//! What a layer does to the state of a text: a row of numbers for each of its pieces. Pure but for reading weights.

use super::NoModel;
use super::weights::Weights;

/// The form of a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Numbers of a piece.
    pub(super) width: usize,
    /// Parts that look at the other pieces by themselves.
    pub(super) heads: usize,
    pub(super) eps: f32,
}

/// Each row becomes sums of its numbers.
struct Linear {
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

/// Each row gets the mean 0 and the spread 1, then what was learned.
pub(super) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

/// One layer.
pub(super) struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    joined: Linear,
    after_attention: Norm,
    wide: Linear,
    narrow: Linear,
    after_all: Norm,
    shape: Shape,
}

impl Linear {
    fn read(weights: &mut Weights, name: &str, inputs: usize) -> Result<Self, NoModel> {
        let (weight, outputs) = weights.tall(&format!("{name}.weight"), inputs)?;
        Ok(Self {
            weight,
            bias: weights.all(&format!("{name}.bias"), outputs)?,
            inputs,
        })
    }

    fn apply(&self, state: &[f32]) -> Vec<f32> {
        let outputs = self.bias.len();
        let mut made = vec![0.0; state.len() / self.inputs * outputs];
        // A row of weights is used for all pieces while it is at hand.
        let weights = self.weight.chunks_exact(self.inputs).zip(&self.bias);
        for (at, (weights, bias)) in weights.enumerate() {
            let rows = state.chunks_exact(self.inputs);
            for (row, made) in rows.zip(made.chunks_exact_mut(outputs)) {
                if let Some(made) = made.get_mut(at) {
                    *made = dot(row, weights) + bias;
                }
            }
        }
        made
    }
}

impl Norm {
    pub(super) fn read(weights: &mut Weights, name: &str, shape: Shape) -> Result<Self, NoModel> {
        Ok(Self {
            weight: weights.all(&format!("{name}.weight"), shape.width)?,
            bias: weights.all(&format!("{name}.bias"), shape.width)?,
            eps: shape.eps,
        })
    }

    #[allow(clippy::cast_precision_loss)] // a row has some hundred numbers
    pub(super) fn apply(&self, state: &mut [f32]) {
        for row in state.chunks_exact_mut(self.weight.len()) {
            let count = row.len() as f32;
            let mean = row.iter().sum::<f32>() / count;
            let spread = row.iter().map(|n| (n - mean) * (n - mean)).sum::<f32>() / count;
            let scale = 1.0 / (spread + self.eps).sqrt();
            let learned = self.weight.iter().zip(&self.bias);
            for (n, (weight, bias)) in row.iter_mut().zip(learned) {
                *n = (*n - mean) * scale * weight + bias;
            }
        }
    }
}

impl Layer {
    pub(super) fn read(
        weights: &mut Weights,
        number: usize,
        shape: Shape,
    ) -> Result<Self, NoModel> {
        let name = |part: &str| format!("encoder.layer.{number}.{part}");
        let width = shape.width;
        let wide = Linear::read(weights, &name("intermediate.dense"), width)?;
        let layer = Self {
            query: Linear::read(weights, &name("attention.self.query"), width)?,
            key: Linear::read(weights, &name("attention.self.key"), width)?,
            value: Linear::read(weights, &name("attention.self.value"), width)?,
            joined: Linear::read(weights, &name("attention.output.dense"), width)?,
            after_attention: Norm::read(weights, &name("attention.output.LayerNorm"), shape)?,
            narrow: Linear::read(weights, &name("output.dense"), wide.bias.len())?,
            wide,
            after_all: Norm::read(weights, &name("output.LayerNorm"), shape)?,
            shape,
        };
        let parts = [
            &layer.query,
            &layer.key,
            &layer.value,
            &layer.joined,
            &layer.narrow,
        ];
        match parts.iter().all(|part| part.bias.len() == width) {
            true => Ok(layer),
            false => Err(NoModel::Malformed(
                "model.safetensors",
                format!("layer {number} doesn't fit its neighbours"),
            )),
        }
    }

    pub(super) fn apply(&self, state: &mut [f32]) {
        let seen = self.joined.apply(&self.attention(state));
        add(state, &seen);
        self.after_attention.apply(state);
        let mut wide = self.wide.apply(state);
        for n in &mut wide {
            *n = gelu(*n);
        }
        let narrow = self.narrow.apply(&wide);
        add(state, &narrow);
        self.after_all.apply(state);
    }

    /// Each piece takes from the others as much as they concern it.
    #[allow(clippy::cast_precision_loss)] // a part has some ten numbers
    fn attention(&self, state: &[f32]) -> Vec<f32> {
        let Shape { width, heads, .. } = self.shape;
        let (query, key, value) = (
            self.query.apply(state),
            self.key.apply(state),
            self.value.apply(state),
        );
        let part = width / heads;
        let scale = 1.0 / (part as f32).sqrt();
        let mut made = vec![0.0; state.len()];
        let mut weights = Vec::with_capacity(state.len() / width);
        for (query, made) in query.chunks_exact(width).zip(made.chunks_exact_mut(width)) {
            let parts = query.chunks_exact(part).zip(made.chunks_exact_mut(part));
            for (head, (query, made)) in parts.enumerate() {
                weights.clear();
                let own = head * part..(head + 1) * part;
                let keys = key
                    .chunks_exact(width)
                    .filter_map(|row| row.get(own.clone()));
                weights.extend(keys.map(|key| dot(query, key) * scale));
                soften(&mut weights);
                let values = value
                    .chunks_exact(width)
                    .filter_map(|row| row.get(own.clone()));
                for (weight, value) in weights.iter().zip(values) {
                    for (made, value) in made.iter_mut().zip(value) {
                        *made += weight * value;
                    }
                }
            }
        }
        made
    }
}

/// The mean of all rows, with length 1.
#[allow(clippy::cast_precision_loss)] // a text has some hundred pieces
pub(super) fn mean(state: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    for row in state.chunks_exact(width) {
        add(&mut mean, row);
    }
    let length = mean.iter().map(|n| n * n).sum::<f32>().sqrt().max(1e-12);
    mean.iter().map(|n| n / length).collect()
}

fn add(sum: &mut [f32], more: &[f32]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

/// The sum of products, in sixteen sums at once, which is what processors are good at.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

/// Any numbers become shares of a whole, the larger ones far larger shares.
fn soften(numbers: &mut [f32]) {
    let most = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for n in numbers.iter_mut() {
        *n = (*n - most).exp();
        sum += *n;
    }
    for n in numbers.iter_mut() {
        *n /= sum;
    }
}

fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function to seven digits, after Abramowitz and Stegun 7.1.26.
fn erf(x: f32) -> f32 {
    const BY: [f32; 5] = [
        1.061_405_4,
        -1.453_152_1,
        1.421_413_8,
        -0.284_496_72,
        0.254_829_6,
    ];
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let sum = BY.iter().fold(0.0, |sum, by| (sum + by) * t);
    (1.0 - sum * (-x * x).exp()).copysign(x)
}
