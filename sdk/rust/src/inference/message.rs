//! What is said in a chat.

use std::fmt;

use crate::bindings::inferno::host::inference as wit;

/// Who speaks in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// Of the assistant: the tools that it called.
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool: the call that this is the result of.
    pub tool_call_id: Option<String>,
    /// What is shown, in order.
    pub images: Vec<Image>,
}

/// An image in a message. The model must have vision.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// In front of which byte of the message's content it stands; its length: behind all of it.
    pub at: usize,
    /// The content of a PNG, JPEG, GIF, WebP or BMP file.
    pub data: Vec<u8>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("at", &self.at).field("bytes", &self.data.len()).finish()
    }
}

/// A call of a tool, as the model made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// What the result will be matched with.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object as text.
    pub arguments: String,
}

impl Message {
    /// A message of any role.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None, images: Vec::new() }
    }

    /// Shows an image behind what the message says so far. `data` is the content of a file.
    pub fn show(&mut self, data: impl Into<Vec<u8>>) {
        self.images.push(Image { at: self.content.len(), data: data.into() });
    }

    /// The result of a call.
    pub fn tool(call: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(call.into()), ..Self::new(Role::Tool, content) }
    }

    /// Instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// What the person says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }
}

impl Message {
    pub(super) fn add_to(&self, request: &wit::Request) {
        if let Some(call) = &self.tool_call_id {
            request.tool_result(call, &self.content);
        } else if self.tool_calls.is_empty() {
            request.message(self.role.into(), &self.content);
        } else {
            let call = |ToolCall { id, name, arguments }: &ToolCall| wit::ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: arguments.clone(),
            };
            let calls: Vec<_> = self.tool_calls.iter().map(call).collect();
            request.calls(&self.content, &calls);
        }
        for Image { at, data } in &self.images {
            request.image(u32::try_from(*at).unwrap_or(u32::MAX), data);
        }
    }
}

impl From<Role> for wit::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::System => Self::System,
            Role::User => Self::User,
            Role::Assistant => Self::Assistant,
            Role::Tool => Self::Tool,
        }
    }
}
