//! What words find and what vectors find, in one order.

use std::collections::HashMap;

/// How search is to weigh and cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// How many results, unless told.
    pub max_results: usize,
    /// Less is chance.
    pub min_score: f64,
    /// Whether vectors take part, where somebody makes them.
    pub hybrid: bool,
    /// How much they count, and how much words do.
    pub vector_weight: f64,
    pub text_weight: f64,
    /// So many times the results are looked at before they are cut.
    pub candidates: usize,
}

/// Words alone say less than a vector of the whole question, so less of it has to be met.
const WORDS_ALONE: f64 = 0.7;

impl Default for Ranking {
    fn default() -> Self {
        Self {
            max_results: 6,
            min_score: 0.35,
            hybrid: true,
            vector_weight: 0.7,
            text_weight: 0.3,
            candidates: 4,
        }
    }
}

impl Ranking {
    /// The pieces in order, those below the least score left out. A piece without a vector stands by
    /// its words: it may be too new to have one.
    pub(super) fn merge(
        &self,
        by_words: &[(u32, f64)],
        by_vectors: Option<&[(u32, f64)]>,
        has_vector: &dyn Fn(u32) -> bool,
    ) -> Vec<(u32, f64)> {
        let weights = self.vector_weight + self.text_weight;
        let share = |weight: f64| if weights > 0.0 { weight / weights } else { 0.5 };
        let mut scores: HashMap<u32, (f64, f64)> = HashMap::new();
        for (id, score) in by_words {
            scores.entry(*id).or_default().0 = *score;
        }
        for (id, score) in by_vectors.into_iter().flatten() {
            scores.entry(*id).or_default().1 = score.clamp(0.0, 1.0);
        }
        let mut ranked: Vec<(u32, f64)> = scores
            .into_iter()
            .filter_map(|(id, (words, vector))| {
                let (score, least) = if by_vectors.is_some() && has_vector(id) {
                    let score =
                        share(self.text_weight) * words + share(self.vector_weight) * vector;
                    (score, self.min_score)
                } else {
                    (words, self.min_score * WORDS_ALONE)
                };
                (score >= least).then_some((id, score))
            })
            .collect();
        ranked.sort_unstable_by(|(one, a), (other, b)| b.total_cmp(a).then(other.cmp(one)));
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_vectors_are_weighed_and_chance_is_left_out() {
        let ranking = Ranking::default();
        let words = [(1, 1.0), (2, 0.3), (4, 0.2)];
        let alone = ranking.merge(&words, None, &|_| false);
        assert_eq!(alone, [(1, 1.0), (2, 0.3)]);
        let vectors = [(3, 0.9), (1, 0.5), (2, 0.1)];
        let both = ranking.merge(&words, Some(&vectors), &|id| id != 4);
        let ids: Vec<u32> = both.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [1, 3]);
        assert!((both[0].1 - 0.65).abs() < 1e-9 && (both[1].1 - 0.63).abs() < 1e-9);
    }

    #[test]
    fn a_piece_without_a_vector_stands_by_its_words() {
        let ranked = Ranking::default().merge(&[(7, 0.9)], Some(&[]), &|_| false);
        assert_eq!(ranked, [(7, 0.9)]);
    }
}
