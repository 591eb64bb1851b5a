use super::*;

const LAYERS: u64 = 16;

/// A small model of the usual form. Tensors come in no particular order, as in files.
fn model(tied: bool, row: u64) -> Vec<(String, Vec<u64>)> {
    let mut tensors = vec![("token_embd.weight".to_owned(), vec![row, 1000])];
    if !tied {
        tensors.push(("output.weight".to_owned(), vec![row, 1000]));
    }
    tensors.push(("output_norm.weight".to_owned(), vec![row]));
    for layer in (0..LAYERS).rev() {
        for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
            tensors.push((format!("blk.{layer}.{name}.weight"), vec![row, row]));
        }
        tensors.push((format!("blk.{layer}.attn_norm.weight"), vec![row]));
    }
    tensors
}

fn facts() -> Facts<'static> {
    Facts { architecture: "llama", layers: LAYERS, heads: 8, heads_kv: 4, experts: 0 }
}

/// The names of encodings by the names of tensors; `-` where a tensor stays.
fn planned(
    file_type: FileType,
    facts: Facts<'_>,
    model: &[(String, Vec<u64>)],
    wishes: &Wishes,
) -> Result<Vec<(String, &'static str)>, Trouble> {
    let tensors: Vec<Tensor<'_>> =
        model.iter().map(|(name, shape)| Tensor { name, shape, stored: 1 }).collect();
    let plan = plan(file_type, facts, &tensors, wishes)?;
    Ok(plan.into_iter().map(|(at, to)| (model[at].0.clone(), to.map_or("-", Encoding::name))).collect())
}

fn of<'a>(planned: &'a [(String, &'static str)], name: &str) -> &'a str {
    planned.iter().find(|(tensor, _)| tensor == name).expect("the tensor is planned").1
}

#[test]
fn layers_come_in_order_and_names_within_them() {
    let plan = planned(FileType::Q8_0, facts(), &model(false, 256), &Wishes::default()).unwrap();
    let names: Vec<&str> = plan.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names[..4],
        ["output.weight", "output_norm.weight", "token_embd.weight", "blk.0.attn_k.weight"]
    );
    assert_eq!(names[3 + 8 * 9], "blk.9.attn_k.weight");
    assert_eq!(names.len(), 3 + 8 * 16);
}

#[test]
fn norms_stay_and_what_has_the_encoding_already() {
    let plan = planned(FileType::F16, facts(), &model(false, 256), &Wishes::default()).unwrap();
    assert!(plan.iter().all(|(_, encoding)| *encoding == "-"), "the model is F16 already");
    let plan = planned(FileType::F32, facts(), &model(false, 256), &Wishes::default()).unwrap();
    assert_eq!(of(&plan, "blk.0.attn_norm.weight"), "-");
    assert_eq!(of(&plan, "blk.0.attn_q.weight"), "F32");
}

#[test]
fn a_medium_mixture_gives_more_bits_to_some_layers() {
    let plan = planned(FileType::Q4KM, facts(), &model(false, 256), &Wishes::default()).unwrap();
    let with_more: Vec<u64> = (0..LAYERS)
        .filter(|layer| of(&plan, &format!("blk.{layer}.ffn_down.weight")) == "Q6_K")
        .inspect(|layer| assert_eq!(of(&plan, &format!("blk.{layer}.attn_v.weight")), "Q6_K"))
        .collect();
    assert_eq!(with_more, [0, 1, 4, 7, 10, 13, 14, 15]);
    assert_eq!(of(&plan, "blk.3.attn_v.weight"), "Q4_K");
    assert_eq!([of(&plan, "output.weight"), of(&plan, "token_embd.weight")], ["Q6_K", "Q4_K"]);
}

#[test]
fn embeddings_that_are_the_output_too_are_treated_as_it() {
    let plan = planned(FileType::Q4KM, facts(), &model(true, 256), &Wishes::default()).unwrap();
    assert_eq!(of(&plan, "token_embd.weight"), "Q6_K");
    let wishes = Wishes { output: Some(Encoding::Q8_0), ..Wishes::default() };
    let plan = planned(FileType::Q4KM, facts(), &model(true, 256), &wishes).unwrap();
    assert_eq!(of(&plan, "token_embd.weight"), "Q8_0");
}

#[test]
fn wishes_count_more_than_rules() {
    let wishes = Wishes {
        output: Some(Encoding::F16),
        token_embedding: Some(Encoding::Q5_0),
        tensors: vec![
            (Regex::new(r"blk\.[01]\.attn_q").unwrap(), Encoding::Q6K),
            (Regex::new("attn_q").unwrap(), Encoding::Q2K),
        ],
        ..Wishes::default()
    };
    let plan = planned(FileType::Q4KS, facts(), &model(false, 256), &wishes).unwrap();
    assert_eq!([of(&plan, "output.weight"), of(&plan, "token_embd.weight")], ["-", "Q5_0"]);
    assert_eq!([of(&plan, "blk.1.attn_q.weight"), of(&plan, "blk.2.attn_q.weight")], ["Q6_K", "Q2_K"]);
    let pure = Wishes { pure: true, ..Wishes::default() };
    let plan = planned(FileType::Q3KM, facts(), &model(false, 256), &pure).unwrap();
    let encodings: Vec<_> = plan.iter().map(|(_, encoding)| *encoding).collect();
    assert!(encodings.iter().all(|encoding| ["Q3_K", "-"].contains(encoding)), "{encodings:?}");
    let keep = Wishes { keep_output: true, ..Wishes::default() };
    assert_eq!(
        of(&planned(FileType::Q3KM, facts(), &model(false, 256), &keep).unwrap(), "output.weight"),
        "-"
    );
}

#[test]
fn rows_that_are_no_multiple_of_a_block_get_smaller_blocks_or_half_precision() {
    let plan = planned(FileType::Q4KM, facts(), &model(false, 288), &Wishes::default()).unwrap();
    assert_eq!([of(&plan, "blk.3.attn_q.weight"), of(&plan, "blk.0.attn_v.weight")], ["Q5_0", "Q8_0"]);
    assert_eq!(of(&plan, "output.weight"), "Q8_0");
    let plan = planned(FileType::Q2K, facts(), &model(false, 100), &Wishes::default()).unwrap();
    assert_eq!(of(&plan, "blk.3.attn_q.weight"), "-", "it is in half precision already");
    let wishes = Wishes { output: Some(Encoding::Q6K), ..Wishes::default() };
    let trouble = planned(FileType::Q4KM, facts(), &model(false, 288), &wishes).unwrap_err();
    assert_eq!(
        trouble.to_string(),
        "the rows of tensor output.weight have 288 numbers, and Q6_K has blocks of 256"
    );
}

#[test]
fn models_with_experts_need_layers_in_names() {
    let facts = Facts { experts: 8, ..facts() };
    let mut model = model(false, 256);
    let plan = planned(FileType::Q4KM, facts, &model, &Wishes::default()).unwrap();
    assert_eq!([of(&plan, "blk.5.attn_k.weight"), of(&plan, "blk.5.attn_output.weight")], ["Q8_0", "Q5_K"]);
    model.push(("blk.99.ffn_down.weight".to_owned(), vec![256, 256]));
    let trouble = planned(FileType::Q4KM, facts, &model, &Wishes::default()).unwrap_err();
    assert_eq!(trouble, Trouble::NoLayer { tensor: "blk.99.ffn_down.weight".into(), layers: LAYERS });
}

#[test]
fn what_was_quantized_needs_leave_to_be_so_again() {
    let shape = [256, 4];
    let tensors = [Tensor { name: "blk.0.attn_q.weight", shape: &shape, stored: Encoding::Q8_0.number() }];
    let trouble = plan(FileType::Q4KS, facts(), &tensors, &Wishes::default()).unwrap_err();
    let (from, to) = (Encoding::Q8_0, Encoding::Q4K);
    assert_eq!(trouble, Trouble::Quantized { tensor: "blk.0.attn_q.weight".into(), from, to });
    assert_eq!(plan(FileType::Q8_0, facts(), &tensors, &Wishes::default()), Ok(vec![(0, None)]));
    let unpacked = plan(FileType::F32, facts(), &tensors, &Wishes::default());
    assert_eq!(unpacked, Ok(vec![(0, Some(Encoding::F32))]), "that loses nothing");
    let again = Wishes { again: true, ..Wishes::default() };
    assert_eq!(plan(FileType::Q4KS, facts(), &tensors, &again), Ok(vec![(0, Some(to))]));
}

#[test]
fn what_cannot_be_read_or_would_be_garbage_is_refused() {
    let shape = [256, 4];
    let tensors = [Tensor { name: "blk.0.attn_q.weight", shape: &shape, stored: 26 }];
    let trouble = plan(FileType::Q4KS, facts(), &tensors, &Wishes::default()).unwrap_err();
    assert_eq!(trouble, Trouble::Unreadable { tensor: "blk.0.attn_q.weight".into(), stored: 26 });
    let trouble = planned(FileType::Q2KS, facts(), &model(false, 256), &Wishes::default()).unwrap_err();
    assert_eq!(trouble, Trouble::NeedsImportance(FileType::Q2KS));
}

#[test]
fn file_types_have_the_names_that_people_use() {
    for (place, file_type) in FileType::all().enumerate() {
        assert_eq!(file_type as usize, place);
        assert_eq!(FileType::from_name(&file_type.name().to_lowercase()), Some(file_type));
    }
    assert_eq!(FileType::from_name("q4_k"), Some(FileType::Q4KM));
    assert_eq!(FileType::from_name("Q6_K_M"), None);
    assert_eq!(metadata(FileType::Q4KM)[1], ("general.file_type", 15));
}
